/** Replies of XML-RPC, with the line breaks that Python writes. */

export type XmlRpcValue =
  | string
  | number
  | boolean
  | readonly XmlRpcValue[]
  | { readonly [member: string]: XmlRpcValue };

export function replyOf(value: XmlRpcValue): Buffer {
  const xml = `<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n${render(value)}</param>\n</params>\n</methodResponse>\n`;
  return Buffer.from(xml);
}

function render(value: XmlRpcValue): string {
  return `<value>${renderBare(value)}</value>\n`;
}

/** Strings here hold nothing that XML would want escaped. */
function renderBare(value: XmlRpcValue): string {
  if (typeof value === 'string') return `<string>${value}</string>`;
  if (typeof value === 'number') return `<int>${value}</int>`;
  if (typeof value === 'boolean') return `<boolean>${value ? 1 : 0}</boolean>`;
  if (isList(value)) return `<array><data>\n${value.map(render).join('')}</data></array>`;
  const members = Object.entries(value).map(
    ([name, member]) => `<member>\n<name>${name}</name>\n${render(member)}</member>\n`,
  );
  return `<struct>\n${members.join('')}</struct>`;
}

function isList(value: XmlRpcValue): value is readonly XmlRpcValue[] {
  return Array.isArray(value);
}
