import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SPEC_PUBLIC_KEY, SPEC_SEED } from '../../test/support/room-vectors.ts'
import { must } from '../base/assert.ts'
import { parseServerName, type ServerName } from './ids.ts'
import { decodeBase64, SigningKey, VerifyKey } from './signing.ts'
import { formatXMatrix, isRequestSigned, parseXMatrix, requestToSign, signRequest } from './x-matrix.ts'

const key = new SigningKey({ seed: must(decodeBase64(SPEC_SEED), 'seed'), version: '1' })
const publicKey = must(VerifyKey.parse(SPEC_PUBLIC_KEY), 'key')
const server = (name: string): ServerName => must(parseServerName(name), name)

const request = {
  method: 'PUT',
  uri: '/_matrix/federation/v1/send/1443797062000-1',
  origin: server('domain'),
  destination: server('other.example'),
  content: {
    origin: 'domain',
    origin_server_ts: 1_443_797_062_000,
    pdus: [],
    edus: [
      {
        edu_type: 'm.presence',
        content: {
          push: [
            {
              user_id: '@alice:domain',
              presence: 'online',
              status_msg: 'Back after lunch',
              last_active_ago: 5000,
              currently_active: true,
            },
          ],
        },
      },
    ],
  },
}
const SIGNATURE = 'otKN/0AcWdK4wcyHfST/GpNbmcntani6ASraLpy41p3FfKaxDeGhzktfNEGlWxsAxzIUC4vhXNElz8n/KShVAw'

describe('the vector of §5.2', () => {
  test('P-154 P-155 the presence transaction is sent with this header', () => {
    expect(signRequest(request, key)).toBe(
      `X-Matrix origin="domain",destination="other.example",key="ed25519:1",sig="${SIGNATURE}"`,
    )
  })

  test('P-154 its signature is verified', () => {
    expect(isRequestSigned(request, SIGNATURE, publicKey)).toBe(true)
  })

  test.each([
    ['method', { ...request, method: 'POST' }],
    ['uri', { ...request, uri: `${request.uri}?a=b` }],
    ['origin', { ...request, origin: server('elsewhere') }],
    ['destination', { ...request, destination: server('elsewhere') }],
    ['content', { ...request, content: { ...request.content, origin_server_ts: 1 } }],
    ['absence of the content', { ...request, content: undefined }],
  ])('P-158 a signature does not hold for another %s', (_, { content, ...other }) => {
    expect(isRequestSigned(content === undefined ? other : { ...other, content }, SIGNATURE, publicKey)).toBe(
      false,
    )
  })

  test.each(['', '!', SIGNATURE.slice(4), SIGNATURE.repeat(2)])(
    'P-158 what is no signature is refused: %j',
    (signature) => {
      expect(isRequestSigned(request, signature, publicKey)).toBe(false)
    },
  )

  test('§5.2 content is left out when there is none', () => {
    const { content: _, ...bare } = request
    expect(requestToSign(bare)).toEqual({
      method: 'PUT',
      uri: request.uri,
      origin: 'domain',
      destination: 'other.example',
    })
  })
})

const FULL = {
  origin: 'home.example:8449',
  destination: 'remote.example',
  keyId: 'ed25519:a_1',
  signature: 'c2ln',
}

describe('headers that mean the same', () => {
  test.each([
    [
      'as we send it',
      'X-Matrix origin="home.example:8449",destination="remote.example",key="ed25519:a_1",sig="c2ln"',
    ],
    [
      'names in any case',
      'x-mAtRiX ORIGIN="home.example:8449",Destination="remote.example",KEY="ed25519:a_1",siG="c2ln"',
    ],
    [
      'another order',
      'X-Matrix sig="c2ln",key="ed25519:a_1",destination="remote.example",origin="home.example:8449"',
    ],
    [
      'blanks',
      ' X-Matrix \t origin = "home.example:8449" , destination="remote.example",\tkey="ed25519:a_1" ,sig= "c2ln" ',
    ],
    ['bare values', 'X-Matrix origin=home.example:8449,destination=remote.example,key=ed25519:a_1,sig=c2ln'],
    ['2015', 'X-Matrix origin=home.example:8449,destination="remote.example",key="ed25519:a_1",sig="c2ln"'],
    [
      'escapes',
      'X-Matrix origin="ho\\me.example\\:8449",destination="remote.example",key="ed25519:a_1",sig="c\\2ln"',
    ],
    [
      'unknown parameters',
      'X-Matrix a="b,c=d",origin="home.example:8449",destination="remote.example",key="ed25519:a_1",x=y,sig="c2ln"',
    ],
    [
      'empty places',
      'X-Matrix origin="home.example:8449",,destination="remote.example", ,key="ed25519:a_1",sig="c2ln",',
    ],
  ])('§5.2 %s', (_, header) => {
    expect(parseXMatrix(header)).toEqual(FULL)
  })

  test('P-157 the destination may be missing', () => {
    expect(parseXMatrix('X-Matrix origin=a,key="ed25519:1",sig="c2ln"')).toEqual({
      origin: 'a',
      destination: null,
      keyId: 'ed25519:1',
      signature: 'c2ln',
    })
  })

  test('§5.2 a literal address of IPv6 may stand bare', () => {
    expect(parseXMatrix('X-Matrix origin=[::1]:8448,key=ed25519:1,sig=c2ln+/=')).toMatchObject({
      origin: '[::1]:8448',
      signature: 'c2ln+/=',
    })
  })
})

describe('P-158 headers that are refused', () => {
  test.each([
    ['nothing', ''],
    ['a token', 'Bearer origin="a",key="ed25519:1",sig="c2ln"'],
    ['the scheme only', 'X-Matrix'],
    ['no blank after the scheme', 'X-Matrixorigin="a",key="ed25519:1",sig="c2ln"'],
    ['no origin', 'X-Matrix key="ed25519:1",sig="c2ln"'],
    ['no key', 'X-Matrix origin="a",sig="c2ln"'],
    ['no sig', 'X-Matrix origin="a",key="ed25519:1"'],
    ['signature in place of sig', 'X-Matrix origin="a",key="ed25519:1",signature="c2ln"'],
    ['an empty sig', 'X-Matrix origin="a",key="ed25519:1",sig=""'],
    ['an empty bare value', 'X-Matrix origin=,key="ed25519:1",sig="c2ln"'],
    ['an origin that is no server name', 'X-Matrix origin="a b",key="ed25519:1",sig="c2ln"'],
    ['a destination that is no server name', 'X-Matrix origin=a,destination="",key="ed25519:1",sig="c2ln"'],
    ['another algorithm', 'X-Matrix origin="a",key="rsa:1",sig="c2ln"'],
    ['a key without version', 'X-Matrix origin="a",key="ed25519:",sig="c2ln"'],
    ['a doubled parameter', 'X-Matrix origin="a",key="ed25519:1",sig="c2ln",Origin="b"'],
    ['a doubled unknown parameter', 'X-Matrix origin="a",key="ed25519:1",sig="c2ln",x=1,x=1'],
    ['an open quote', 'X-Matrix origin="a",key="ed25519:1",sig="c2ln'],
    ['an escape at the end', 'X-Matrix origin="a",key="ed25519:1",sig="c2ln\\"'],
    ['no commas', 'X-Matrix origin="a" key="ed25519:1" sig="c2ln"'],
    ['text after a quoted value', 'X-Matrix origin="a"b,key="ed25519:1",sig="c2ln"'],
    ['a name without value', 'X-Matrix origin="a",key="ed25519:1",sig="c2ln",x'],
    ['a header that is too long', `X-Matrix origin="a",key="ed25519:1",sig="c2ln",x="${'y'.repeat(4_096)}"`],
  ])('%s', (_, header) => {
    expect(parseXMatrix(header)).toBeNull()
  })

  test('any text is answered with a value or null, soon', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('X-Matrix ', 'origin', 'key', 'sig', '=', '"', '\\', ',', ' ', 'ed25519:1', 'a'),
    )
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        parseXMatrix(`X-Matrix ${pieces.join('')}`)
      }),
    )
    expect(parseXMatrix(`X-Matrix a="${'\\'.repeat(4_000)}`)).toBeNull()
    expect(parseXMatrix(`X-Matrix ${' ,'.repeat(2_000)}`)).toBeNull()
  })
})

const names = fc.constantFrom('home.example', 'home.example:8448', '[::1]:8448', '10.0.0.1', 'localhost:1')
const auths = fc.record({
  origin: names.map(server),
  destination: names.map(server),
  keyId: fc.stringMatching(/^[a-zA-Z0-9_]{1,20}$/).map((version) => `ed25519:${version}`),
  signature: fc
    .uint8Array({ minLength: 1, maxLength: 64 })
    .map((bytes) => Buffer.from(bytes).toString('base64')),
})

test('P-155 what we write is read as it was meant', () => {
  fc.assert(
    fc.property(auths, (auth) => {
      expect(parseXMatrix(formatXMatrix(auth))).toEqual(auth)
    }),
  )
})

test('§5.2 a value means the same with or without escapes', () => {
  fc.assert(
    fc.property(auths, (auth) => {
      const escaped = formatXMatrix(auth).replaceAll(
        /="([^"]*)"/g,
        (_, value: string) => `="${value.replaceAll(/./g, '\\$&')}"`,
      )
      expect(parseXMatrix(escaped)).toEqual(auth)
    }),
  )
})
