/** supervisord's configuration as its own reader understood it. Types only. */

export interface Configuration {
  /** supervisord's version. */
  readonly version: string;
  readonly path: string;
  /** Included files, in the order in which they are read. */
  readonly included: readonly string[];
  /** The patterns of `[include] files`, with the folder of the file before them. */
  readonly patterns: readonly string[];
  /** Whether a value uses a variable of supervisord's environment. */
  readonly usesEnvironment: boolean;
  /** The names of all sections. */
  readonly sections: readonly string[];
  /** `syslog`, or an absolute path. */
  readonly logfile: string;
  /** 20 is `info`; a lower number logs more. */
  readonly loglevel: number;
  /** The URL that supervisord gives its processes; undefined without an HTTP server. */
  readonly serverUrl: string | undefined;
  readonly servers: readonly HttpServer[];
  /** The names of the [rpcinterface:…] sections. */
  readonly interfaces: readonly string[];
  readonly groups: readonly Group[];
  /** The kinds of each event; a name stands for all its kinds. */
  readonly eventKinds: Readonly<Record<string, readonly string[]>>;
}

export interface HttpServer {
  /** The name of its section. */
  readonly section: string;
  /** Of a Unix socket. */
  readonly file: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
}

export interface Group {
  /** May begin or end with a blank. */
  readonly name: string;
  readonly priority: number;
  readonly processes: readonly ProcessSettings[];
  /** Present for an event listener. */
  readonly pool: Pool | undefined;
}

export interface Pool {
  /** As in the section. */
  readonly events: readonly string[];
  /** With the kinds that they include. */
  readonly received: readonly string[];
  readonly bufferSize: number;
}

export interface ProcessSettings {
  readonly name: string;
  readonly command: string;
  /** The words of the command; undefined where a quotation has no end. */
  readonly words: readonly string[] | undefined;
  /** The words of the text that a shell in the command runs. */
  readonly shellWords: readonly string[] | undefined;
  readonly directory: string | undefined;
  readonly uid: number | undefined;
  readonly priority: number;
  readonly autostart: boolean;
  readonly autorestart: string;
  readonly exitcodes: readonly number[];
  readonly startsecs: number;
  readonly redirectStderr: boolean;
  /** That of [supervisord] included. */
  readonly environment: Readonly<Record<string, string>>;
  readonly serverUrl: string | undefined;
  /** A path, AUTO or NONE. */
  readonly stdoutLogfile: string;
  /** Size at which the log is rotated; 0: never. */
  readonly stdoutMaxbytes: number;
  readonly stderrLogfile: string;
  readonly stderrSyslog: boolean;
}

/** What became of reading it. */
export type Reading =
  | { readonly kind: 'accepted'; readonly configuration: Configuration }
  /** supervisord does not start with it. `path` is undefined where there is no file. */
  | {
      readonly kind: 'refused';
      readonly reason: string;
      readonly path: string | undefined;
      /** The included files that it has read. */
      readonly included: readonly string[];
      readonly searched: readonly string[];
    }
  /** supervisord's reader could not be run. */
  | { readonly kind: 'no-reader'; readonly reason: string };
