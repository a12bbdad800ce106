/** `/`: what this is, and where the metrics are. */

export function landingPage(telemetryPath: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>supervisor-exporter</title></head>
<body>
<h1>supervisor-exporter</h1>
<p>Every state change of every program that this supervisord runs, as it happens.</p>
<p><a href="${escapeHtml(telemetryPath)}">Metrics</a></p>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
