import { type Kysely, sql } from 'kysely'
import { createTable, type TableDefinition } from './ddl.ts'

/** Accounts, devices, keys, presence, rooms: everything up to text. Positions are assigned by the application. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const [name, definition] of Object.entries(TABLES)) await createTable(db, name, definition)
  await sql`insert into stream (id, last_pos) values (1, 0)`.execute(db)
}

const TABLES: Readonly<Record<string, TableDefinition>> = {
  meta: { key: ['key'], columns: { key: 'text', value: 'text' }, byKey: true },
  // One row: the highest position ever stored. The rows that carried it may be gone.
  stream: { key: ['id'], columns: { id: 'integer', last_pos: 'integer' } },
  accounts: {
    key: ['user_id'],
    columns: {
      user_id: 'text',
      password_hash: 'text?',
      admin: 'integer',
      guest: 'integer',
      created_ts: 'integer',
      deactivated_ts: 'integer?',
    },
    byKey: true,
  },
  devices: {
    key: ['user_id', 'device_id'],
    columns: {
      user_id: 'text',
      device_id: 'text',
      display_name: 'text?',
      created_ts: 'integer',
      last_seen_ts: 'integer?',
      last_seen_ip: 'text?',
    },
    byKey: true,
  },
  tokens: {
    key: ['token_hash'],
    columns: { token_hash: 'text', user_id: 'text', device_id: 'text', created_ts: 'integer' },
    byKey: true,
    indexes: [['user_id', 'device_id']],
  },
  profiles: {
    key: ['user_id', 'field'],
    columns: { user_id: 'text', field: 'text', json: 'text' },
  },
  account_data: {
    key: ['user_id', 'room_id', 'type'],
    columns: { user_id: 'text', room_id: 'text', type: 'text', json: 'text', pos: 'integer' },
    indexes: [['user_id', 'pos'], ['type']],
  },
  filters: {
    key: ['user_id', 'filter_id'],
    columns: { user_id: 'text', filter_id: 'text', json: 'text' },
  },
  transactions: {
    key: ['user_id', 'device_id', 'request'],
    columns: {
      user_id: 'text',
      device_id: 'text',
      request: 'text',
      status: 'integer',
      json: 'text',
      created_ts: 'integer',
    },
    indexes: [['created_ts']],
  },
  device_keys: {
    key: ['user_id', 'device_id'],
    columns: { user_id: 'text', device_id: 'text', json: 'text' },
  },
  one_time_keys: {
    key: ['user_id', 'device_id', 'key_id'],
    columns: {
      user_id: 'text',
      device_id: 'text',
      key_id: 'text',
      algorithm: 'text',
      json: 'text',
      pos: 'integer',
    },
    indexes: [['user_id', 'device_id', 'pos']],
  },
  fallback_keys: {
    key: ['user_id', 'device_id', 'algorithm'],
    columns: {
      user_id: 'text',
      device_id: 'text',
      algorithm: 'text',
      key_id: 'text',
      json: 'text',
      used: 'integer',
    },
  },
  presence: {
    key: ['user_id'],
    columns: {
      user_id: 'text',
      state: 'text',
      status_msg: 'text?',
      last_active_ts: 'integer?',
      hidden: 'integer',
      hidden_by: 'text?',
      currently_active: 'integer',
    },
    byKey: true,
  },
  rooms: {
    key: ['room_id'],
    columns: {
      room_id: 'text',
      version: 'text',
      creator: 'text',
      created_ts: 'integer',
      listed: 'integer',
    },
    byKey: true,
  },
  // In order of position, so that events are appended; `event_id` is the key of the port.
  events: {
    key: ['pos'],
    columns: {
      event_id: 'text',
      room_id: 'text',
      pos: 'integer',
      depth: 'integer',
      type: 'text',
      state_key: 'text?',
      sender: 'text',
      origin_server_ts: 'integer',
      json: 'text',
      replaces: 'text?',
      redacted_by: 'text?',
      txn_device: 'text?',
      txn_id: 'text?',
    },
    unique: [['event_id']],
    indexes: [['room_id', 'pos']],
  },
  state_log: {
    key: ['room_id', 'type', 'state_key', 'pos'],
    columns: { room_id: 'text', type: 'text', state_key: 'text', pos: 'integer', event_id: 'text' },
    byKey: true,
    indexes: [['room_id', 'pos']],
  },
  extremities: {
    key: ['room_id', 'event_id'],
    columns: { room_id: 'text', event_id: 'text' },
    byKey: true,
  },
  memberships: {
    key: ['room_id', 'user_id'],
    columns: {
      room_id: 'text',
      user_id: 'text',
      membership: 'text',
      event_id: 'text',
      pos: 'integer',
      forgotten: 'integer',
    },
    byKey: true,
    indexes: [['user_id']],
  },
  receipts: {
    key: ['room_id', 'user_id', 'type', 'thread'],
    columns: {
      room_id: 'text',
      user_id: 'text',
      type: 'text',
      thread: 'text',
      event_id: 'text',
      event_pos: 'integer',
      ts: 'integer',
      pos: 'integer',
    },
    byKey: true,
    indexes: [['room_id', 'pos']],
  },
  aliases: {
    key: ['alias'],
    columns: { alias: 'text', room_id: 'text', creator: 'text', created_ts: 'integer' },
    byKey: true,
    indexes: [['room_id']],
  },
}
