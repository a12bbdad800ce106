/** The form of CHANGELOG.md: `## VERSION / DATE`, or `## Unreleased`, then a line for each change. */

const KINDS = ['CHANGE', 'FEATURE', 'ENHANCEMENT', 'BUGFIX', 'SECURITY'];

/** The entries of a version; throws where there are none. */
export function notesOf(version: string, changelog: string): string {
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.startsWith(`${version} / `));
  if (section === undefined) throw new Error(`CHANGELOG.md has no heading "## ${version} / DATE"`);
  return section.slice(section.indexOf('\n')).trim();
}

/** The lines that are not of the form. */
export function findMalformedLines(changelog: string): string[] {
  const entry = new RegExp(`^- \\[(?:${KINDS.join('|')})\\] .+\\.$`);
  const heading = /^## (?:Unreleased|\d+\.\d+\.\d+ \/ \d{4}-\d{2}-\d{2})$/;
  return changelog
    .split('\n')
    .filter((line) => line !== '' && line !== '# Changelog')
    .filter((line) => !entry.test(line) && !heading.test(line));
}
