/** Where to listen. */

export interface ListenAddress {
  /** Empty for all interfaces. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
}

export function formatAddress({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Whether only this host can reach the host, an IP address or name. */
export function isLoopback(host: string): boolean {
  const address = host.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  return address === 'localhost' || address === '::1' || /^127(?:\.\d{1,3}){3}$/.test(address);
}
