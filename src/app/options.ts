import { INVITE_POLICIES } from '../matrix/presence-list.ts'
import { DEFAULT_ROOM_VERSION } from '../matrix/room-version/index.ts'
import { placedOptions, type ConfigOf, type Group, type PlacedOption } from './option-spec.ts'

const RATE = { type: 'rate', min: 0.001, max: 1_000_000 } as const
const BURST = { type: 'count', min: 1, max: 1_000_000 } as const
const BURST_ABOUT = 'How many may come at once.'
const RATE_ABOUT = 'How many a second in the long run.'

/**
 * Every option of the server, once (DESIGN §3.12): from this table come the config's type, the keys of the file, the names in
 * the environment, `--help`, `config generate` and docs/CONFIG.md.
 */
export const OPTIONS = {
  server_name: {
    type: 'server-name',
    default: 'localhost:8008',
    about: 'The name after the colon in user IDs. It cannot be changed once users exist.',
  },
  data_dir: {
    type: 'text',
    default: './data',
    about: 'The folder for the database and the signing key. It is created if need be.',
  },
  listeners: {
    type: 'sections',
    default: [{ port: 8008 }],
    about: 'The ports that the server listens on.',
    keys: {
      port: { type: 'count', min: 0, max: 65_535, about: 'The port; 0 lets the system choose one.' },
      bind: {
        type: 'text',
        default: '127.0.0.1',
        about: 'The address to listen on; `::` or `0.0.0.0` for all.',
      },
      tls: {
        type: 'section',
        default: null,
        about: 'Serve HTTPS. Without it, put a proxy in front for anything but this machine.',
        keys: {
          cert_file: { type: 'text', about: 'The certificate with its chain, PEM.' },
          key_file: { type: 'text', about: 'Its private key, PEM.' },
        },
      },
      resources: {
        type: 'choices',
        of: ['client', 'federation', 'web', 'health', 'metrics', 'admin'],
        default: ['client', 'federation', 'web', 'health'],
        about: 'What is served on this port.',
      },
      x_forwarded: {
        type: 'flag',
        default: false,
        about: 'Take the client’s address from the last entry of X-Forwarded-For. Only behind a proxy.',
      },
    },
  },
  database: {
    url: {
      type: 'text',
      default: 'sqlite:{data_dir}/adsum.db',
      about: 'Where everything is kept: `sqlite:` and the path of a file.',
    },
  },
  registration: {
    enabled: { type: 'flag', default: true, about: 'May anybody who reaches the server make an account?' },
    shared_secret: {
      type: 'text',
      default: null,
      secret: true,
      about:
        'Whoever knows it may make accounts through the admin endpoint, also while registration is closed.',
    },
  },
  presence: {
    enabled: { type: 'flag', default: true, about: 'Without it nobody is told of anybody’s presence.' },
    idle_timeout: {
      type: 'duration',
      default: '5m',
      min: '100ms',
      max: '1d',
      about: 'An online device without activity for this long becomes unavailable.',
    },
    last_active_granularity: {
      type: 'duration',
      default: '1m',
      min: '100ms',
      max: '1d',
      about: 'A user is “currently active” for this long after an activity.',
    },
    sync_online_timeout: {
      type: 'duration',
      default: '30s',
      min: '100ms',
      max: '1d',
      about: 'A device is offline this long after its last open request ended.',
    },
    busy_online_timeout: {
      type: 'duration',
      default: '1h',
      min: '100ms',
      max: '7d',
      about: 'The same for a device that is busy.',
    },
    invite_policy: {
      type: 'choice',
      of: INVITE_POLICIES,
      default: 'manual',
      about:
        'What becomes of a new presence invite, for users who have not decided otherwise: they are asked, or it is answered at once.',
    },
    max_room_members: {
      type: 'count',
      default: 0,
      min: 0,
      max: 10_000_000,
      about: 'Rooms with more joined members show nobody’s presence; 0 for no limit.',
    },
    excluded_rooms: {
      type: 'texts',
      default: [],
      about: 'IDs of rooms through which nobody’s presence is shown.',
    },
    free_for_chat: { type: 'flag', default: true, about: 'Accept the state `free_for_chat` of 2015.' },
    hidden: {
      type: 'flag',
      default: true,
      about: 'Accept the state `hidden`: online, but shown as offline.',
    },
    busy: { type: 'flag', default: false, about: 'Accept the state `busy` (MSC3026).' },
    hide_from_ignored: {
      type: 'flag',
      default: false,
      about: 'Users whom somebody ignores do not see that user’s presence.',
    },
    status_msg_bytes_max: {
      type: 'size',
      default: '1KiB',
      min: 1,
      max: '16KiB',
      about: 'The longest status text, in bytes of UTF-8.',
    },
    offline_cutoff: {
      type: 'duration',
      default: '7d',
      min: '1m',
      max: '520w',
      about: 'Users offline for longer are left out when a client asks for everybody at once.',
    },
    persist_interval: {
      type: 'duration',
      default: '1m',
      min: '100ms',
      max: '1h',
      about:
        'At most this much of the last activity times is lost if the machine fails; what others were told is on disk within a second.',
    },
    federation_in: { type: 'flag', default: true, about: 'Take presence from other servers.' },
    federation_out: { type: 'flag', default: true, about: 'Tell other servers presence.' },
  },
  federation: {
    enabled: {
      type: 'flag',
      default: true,
      about: 'Speak with other servers at all. Without it users of other servers cannot be invited.',
    },
    ca_file: {
      type: 'text',
      default: null,
      about: 'Certificates (PEM) of authorities to trust beside those that Node.js knows.',
    },
    verify_tls: {
      type: 'flag',
      default: true,
      about:
        'Check the certificates of other servers. Turned off for tests only: then anybody can pose as them.',
    },
    batch_window: {
      type: 'duration',
      default: '10s',
      min: '100ms',
      max: '1m',
      about:
        'After presence was sent to a server, further changes for it are gathered for this long; the first change after a silence goes at once.',
    },
    ping_interval: {
      type: 'duration',
      default: '25m',
      min: '1s',
      max: '1d',
      about: 'Users who stay as they are, but not offline, are told to other servers again this often.',
    },
    remote_timeout: {
      type: 'duration',
      default: '30m',
      min: '1s',
      max: '7d',
      about:
        'Users of other servers of whom nothing was heard for this long count as offline; of servers with presence lists, after the long watchdog and five minutes.',
    },
    watchdog_short: {
      type: 'duration',
      default: '1m',
      min: '1s',
      max: '1d',
      about: 'A server with presence lists that was silent for this long is reminded.',
    },
    watchdog_long: {
      type: 'duration',
      default: '1h',
      min: '1s',
      max: '7d',
      about: 'A server with presence lists that said nothing about presence for this long is reminded.',
    },
    request_timeout: {
      type: 'duration',
      default: '1m',
      min: '100ms',
      max: '10m',
      about: 'A request to another server that is not answered within this has failed.',
    },
    retry_min: {
      type: 'duration',
      default: '5s',
      min: '100ms',
      max: '1d',
      about: 'A server that failed is tried again after this; every further failure doubles it …',
    },
    retry_max: { type: 'duration', default: '1h', min: '1s', max: '7d', about: '… up to this.' },
    destinations: {
      type: 'routes',
      default: {},
      about: 'Fixed routes, before any look-up: server names and the `host:port` at which each is reached.',
    },
  },
  client_api: {
    query_access_token: {
      type: 'choice',
      of: ['never', 'legacy', 'always'],
      default: 'legacy',
      about:
        'Where `?access_token=` is accepted: nowhere, on the paths of its time (api/v1, r0), everywhere.',
    },
  },
  rate_limits: {
    enabled: { type: 'flag', default: true, about: 'Answer 429 to those who ask too often.' },
    registration: {
      burst: { ...BURST, default: 5, about: `New accounts, per address. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 0.2, about: RATE_ABOUT },
    },
    login: {
      burst: { ...BURST, default: 5, about: `Failed logins, per address and per account. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 0.2, about: RATE_ABOUT },
    },
    message: {
      burst: { ...BURST, default: 50, about: `Events sent into rooms, per user. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 10, about: RATE_ABOUT },
    },
    join: {
      burst: { ...BURST, default: 10, about: `Joins, per user. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 1, about: RATE_ABOUT },
    },
    invite: {
      burst: { ...BURST, default: 10, about: `Invites, per user. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 0.3, about: RATE_ABOUT },
    },
    create: {
      burst: { ...BURST, default: 10, about: `New rooms and aliases, per user. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 0.2, about: RATE_ABOUT },
    },
    list: {
      burst: {
        ...BURST,
        default: 10,
        about: `Changes of one’s own presence list, invites and observers, per user. ${BURST_ABOUT}`,
      },
      per_second: { ...RATE, default: 0.1, about: RATE_ABOUT },
    },
    presence: {
      burst: { ...BURST, default: 5, about: `Changes of one’s own presence, per user. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 0.2, about: RATE_ABOUT },
    },
    federation: {
      burst: {
        ...BURST,
        default: 5_000,
        about: `Presence entries and other EDUs, per server. ${BURST_ABOUT}`,
      },
      per_second: { ...RATE, default: 1_000, about: RATE_ABOUT },
    },
    search: {
      burst: { ...BURST, default: 20, about: `Searches for users and rooms, per user. ${BURST_ABOUT}` },
      per_second: { ...RATE, default: 2, about: RATE_ABOUT },
    },
  },
  default_room_version: {
    type: 'choice',
    of: ['6', '7', '8', '9', '10', '11', '12'],
    default: DEFAULT_ROOM_VERSION,
    about: 'The version of new rooms whose creator asks for none.',
  },
  log: {
    level: {
      type: 'choice',
      of: ['debug', 'info', 'warn', 'error'],
      default: 'info',
      about: 'The least important lines that are written; `debug` has one for each request.',
    },
    format: {
      type: 'choice',
      of: ['pretty', 'json'],
      default: 'pretty',
      about: 'For people, or for programs.',
    },
  },
} as const satisfies Group

/** The whole configuration: checked, nested, frozen; every value given or from its default. */
export type Config = ConfigOf<typeof OPTIONS>

/** Every option, in the order of the table; those of a section follow it. */
export function allOptions(): PlacedOption[] {
  return placedOptions(OPTIONS)
}
