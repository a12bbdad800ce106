/**
 * The program that lets supervisord's own reader read a configuration, for Python 2.7 and 3 and for
 * Supervisor 3.3 and later. It runs as `python -c READER_PROGRAM FOLDER SCRIPT ARGUMENT…`: the folder
 * that is first on supervisord's module path, its script, and its command line. It writes JSON to
 * file descriptor 3, since an imported result handler may print to stdout.
 */
export const READER_PROGRAM = `
import sys
sys.path[0:1] = sys.argv[1:2]
import json, os, shlex, warnings
warnings.simplefilter('ignore')
sys.argv = sys.argv[2:]

def write(answer):
    with os.fdopen(3, 'w') as out:
        json.dump(answer, out)
    sys.stdout.flush()
    os._exit(0)

try:
    from supervisor import events, options
except Exception as error:
    write({'kind': 'no-module', 'reason': '%s: %s' % (type(error).__name__, error)})

parsers = []
files = []

class Parser(options.UnhosedConfigParser):
    def __init__(self, *args, **kwargs):
        options_parser.__init__(self, *args, **kwargs)
        parsers.append(self)

    def read(self, filenames, **kwargs):
        files.append(filenames)
        return options_parser.read(self, filenames, **kwargs)

options_parser = options.UnhosedConfigParser
options.UnhosedConfigParser = Parser

class Refused(Exception):
    pass

class Reader(options.ServerOptions):
    def usage(self, message):
        raise Refused(str(message))

def words_of(command):
    try:
        return shlex.split(command)
    except ValueError:
        return None

def shell_words_of(words):
    for index, word in enumerate((words or [])[:-1]):
        if word.startswith('-') and not word.startswith('--') and word.endswith('c'):
            return words_of(words[index + 1])
    return None

def logfile_of(value):
    if value is None:
        return 'NONE'
    return value if isinstance(value, str) else 'AUTO'

RESTARTS = {'RestartUnconditionally': 'true', 'RestartWhenExitUnexpected': 'unexpected'}

def process_of(config):
    words = words_of(config.command)
    return {
        'name': config.name,
        'command': config.command,
        'words': words,
        'shellWords': shell_words_of(words),
        'directory': config.directory,
        'uid': config.uid,
        'priority': config.priority,
        'autostart': bool(config.autostart),
        'autorestart': RESTARTS.get(getattr(config.autorestart, '__name__', ''), 'false'),
        'exitcodes': list(config.exitcodes),
        'startsecs': config.startsecs,
        'startretries': config.startretries,
        'stopwaitsecs': config.stopwaitsecs,
        'redirectStderr': bool(config.redirect_stderr),
        'environment': config.environment or {},
        'serverUrl': getattr(config, 'serverurl', None),
        'stdoutLogfile': logfile_of(config.stdout_logfile),
        'stdoutMaxbytes': config.stdout_logfile_maxbytes,
        'stderrLogfile': logfile_of(config.stderr_logfile),
        'stderrSyslog': bool(getattr(config, 'stderr_syslog', False)),
    }

def all_events():
    return dict((name, event) for name, event in vars(events.EventTypes).items()
                if not name.startswith('_'))

def names_of(bases):
    return sorted(name for name, event in all_events().items()
                  if issubclass(event, tuple(bases)))

def group_of(config):
    group = {
        'name': config.name,
        'priority': config.priority,
        'processes': [process_of(process) for process in config.process_configs],
        'pool': None,
    }
    if hasattr(config, 'pool_events'):
        group['pool'] = {
            'events': sorted(name for name, event in all_events().items()
                             if event in config.pool_events),
            'received': names_of(config.pool_events),
            'bufferSize': config.buffer_size,
        }
    return group

def server_of(config):
    return {
        'section': config['section'],
        'file': config.get('file'),
        'host': config.get('host'),
        'port': config.get('port'),
        'username': config.get('username'),
        'password': config.get('password'),
    }

reader = Reader()
try:
    reader.realize(sys.argv[1:])
except (Exception, SystemExit) as error:
    reason = str(error) if isinstance(error, (Refused, ValueError)) else '%s: %s' % (
        type(error).__name__, error)
    write({
        'kind': 'refused',
        'reason': reason,
        'path': reader.configfile and os.path.abspath(reader.configfile),
        'included': [os.path.abspath(name) for name in files],
        'searched': [os.path.abspath(path) for path in reader.searchpaths],
    })

parser = parsers[-1]
main = os.path.abspath(reader.configfile)
raw = dict((section, dict(parser.items(section))) for section in parser.sections())
write({
    'kind': 'accepted',
    'version': options.VERSION,
    'path': main,
    'included': [os.path.abspath(name) for name in files],
    'patterns': [os.path.join(os.path.dirname(main), pattern)
                 for pattern in raw.get('include', {}).get('files', '').split()],
    'usesEnvironment': any('%(ENV_' in value for section in raw.values()
                           for value in section.values()),
    'sections': sorted(raw),
    'logfile': reader.logfile,
    'loglevel': reader.loglevel,
    'serverUrl': reader.serverurl,
    'servers': [server_of(config) for config in reader.server_configs],
    'interfaces': [factory[0] for factory in reader.rpcinterface_factories],
    'groups': [group_of(config) for config in reader.process_group_configs],
    'eventKinds': dict((name, [kind for kind in names_of([event]) if kind != name])
                       for name, event in all_events().items()),
})
`;
