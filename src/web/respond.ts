/** Answers: their heads, and whether they may be compressed. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream';
import { promisify } from 'node:util';
import { constants, createGunzip, gzip } from 'node:zlib';
import { type CachedText, joinCompressed } from '../exposition/cached-text.ts';

/** Whether an Accept-Encoding names gzip (RFC 9110, section 12.5.3), and not with a weight of 0. */
function acceptsGzip(header: string | string[] | undefined): boolean {
  return String(header ?? '')
    .split(',')
    .some((coding) => /^\s*(?:x-)?gzip\s*(?:;\s*q=(?!0(?:\.0*)?\s*$)[\d.]+\s*)?$/i.test(coding));
}

export function sendText(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
): void {
  send(request, response, status, 'text/plain; charset=utf-8', text);
}

export function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Buffer,
): void {
  sendParts(request, response, status, contentType, [body]);
}

function sendParts(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  contentType: string,
  parts: readonly (string | Buffer)[],
): void {
  writeHead(response, status, contentType, parts);
  const sent = request.method === 'HEAD' ? [] : parts;
  for (const part of sent.slice(0, -1)) response.write(part);
  response.end(sent.at(-1));
}

function writeHead(
  response: ServerResponse,
  status: number,
  contentType: string,
  parts: readonly (string | Buffer)[],
): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': parts.reduce((length, part) => length + Buffer.byteLength(part), 0),
    'X-Content-Type-Options': 'nosniff',
  });
}

/**
 * Sends a long text: gzipped if the client accepts that; otherwise decompressed as the client reads, so
 * that a client that does not read takes little memory.
 */
export async function sendCompressible(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  contentType: string,
  text: string | Buffer,
): Promise<void> {
  const compressed = await promisify(gzip)(text, { level: constants.Z_BEST_SPEED });
  response.setHeader('Vary', 'Accept-Encoding');
  if (acceptsGzip(request.headers['accept-encoding'])) {
    response.setHeader('Content-Encoding', 'gzip');
    return send(request, response, status, contentType, compressed);
  }
  writeHead(response, status, contentType, [text]);
  if (request.method === 'HEAD') return void response.end();
  const decompression = createGunzip();
  pipeline(decompression, response, () => {});
  decompression.end(compressed);
}

/**
 * The same for texts that are kept: they are compressed once, and clients that do not read share
 * the memory of what waits for them.
 */
export async function sendKept(
  request: IncomingMessage,
  response: ServerResponse,
  contentType: string,
  texts: readonly CachedText[],
): Promise<void> {
  response.setHeader('Vary', 'Accept-Encoding');
  if (!acceptsGzip(request.headers['accept-encoding'])) {
    const parts: Buffer[] = [];
    for (const text of texts) parts.push(await text.plain());
    return sendParts(request, response, 200, contentType, parts);
  }
  const compressed = await joinCompressed(texts);
  response.setHeader('Content-Encoding', 'gzip');
  send(request, response, 200, contentType, compressed);
}
