import type { EventId, RoomId } from '../../src/matrix/ids.ts'

/** Test vectors of ROOMS-SPEC §2.11, copied from there. */

/** T1: the seed of the specification; its last character has non-zero trailing bits. */
export const SPEC_SEED = 'YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1'
export const SPEC_PUBLIC_KEY = 'XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI'
/** T4. */
export const SECOND_SEED = 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA'
export const SECOND_PUBLIC_KEY = 'ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ'

interface RoomVector {
  readonly version: string
  readonly roomId: RoomId
  /** Events 1 to 7: ID, content hash, signature. */
  readonly events: readonly (readonly [eventId: EventId, hash: string, signature: string])[]
}

/** T3. */
export const ROOM_VECTORS = [
  {
    version: '11',
    roomId: '!n8f893n9Qx:home.example',
    events: [
      [
        '$Ai7khixI59hzT35MswkUHZd1O9wH7tA6UIBgh-01uIU',
        'xDj6J4oNMzhLaabZS8QpyPiwOSzi2NO9s4ZF4LCo+RM',
        'iM3yqjp+9AjhdMxsDkAfR7JL9gCadGVsH/kKHM1UdN8ql4PzxkSvusHbeDj90hEmdHv+GVdwUKQiXjAsEH5RBQ',
      ],
      [
        '$gaiev1KszaUE8dhgLQxfZZw3MIbSmhO-Po0YBI_KW6o',
        'N+hXE5veHC0e4h7vPbKqXw7WJgFLIYjTINHk94PE4LE',
        'VrKWhW5xtHvYARjXEIPxsreQly4RuG11X1Iy+YVHPhDU/CSYleaBXCeAV/Bmu9Mm36+Zc0GxH46q3HErrEGqDw',
      ],
      [
        '$i-8r1ysljxKb7uVDwKmzvUv2cL1d-7J5Wwxhke1QdXY',
        'QzIpILhO0tGFE6j7eBHONnCoZz51VgHFcanmkbY8CKA',
        '1fBQRHo9DOV/zSAtS3Z4GtHMMsqsq9JgOx3i9lejzP8HjSNEV9I8NgkkKMtw0UkKt2X2KU89zbG+bsZjHxktDw',
      ],
      [
        '$lYyCYqPs2x6KO7EAPNiYg-HhMoharVMh-_JG0Kk9eLo',
        'ElQy6oGcOXF5TkqbhOWJrO2AsJLRA0fq4moRkNmm050',
        'FgEbWZdQrRoBf7PYLZkugNHOpS7h+jGlx6Oaq9EoDGd6du60JDIm6xgYTty6EaHpxUthG9RZr3CI7qmFZkJFDQ',
      ],
      [
        '$Ca3qHszTauecG9pQ9jy2SHb2I1vFFUJeP8GkRmeVMFY',
        'c1+BhcomJFXzgrQR07c7QDgPsow2IhIvw/L8R3KrYUE',
        'q2hiBpi62byGuNB+uqIMo03+q6yivKqFM1oA3Ndo+0w7xGCOxtW8q0Sk8Y9aCwmc35ZZdk5Lpkm1s8s7qr01Aw',
      ],
      [
        '$f6guwBsgNPFvR379-_hW5F_5jSMIMOyBa1Y3s80s-_E',
        'WpnMsJmdWam8Ftq5/5PUvoMJUcYsXWug/h4S7MotS4s',
        'S2pITFCZQR3Te5fc4rbDEX+s1U67f6qr7czWsmgDOLQluEVA234CHQk76pWtk16AjUrx9jSVPk/BAuKCW9SBDQ',
      ],
      [
        '$8l2TxFEaBPn98YJ4nWuCpNQkUGqhyis-9MVjgg-gSzc',
        'mj3R4BCQx1cze9igfXkdbKVbe1LsWEdUXKpAtd3sTds',
        'yj2wX62s/UOtNPGjGf2VWWnE7txpQvBkbFusX4mzKWE9dK1Toe7iAf9TxoeWs8O7LR0b+nz+y0fVwVbmUD60AA',
      ],
    ],
  },
  {
    version: '12',
    roomId: '!9hd-KiB333b3tqhf1S3o8ncsEC6VL-T1GJZwkQzBn2I',
    events: [
      [
        '$9hd-KiB333b3tqhf1S3o8ncsEC6VL-T1GJZwkQzBn2I',
        '3hF/fk22mwVmT1pYUIgLskC5Pzl1elny1dEGY7AJOGM',
        'ONDajXkdwNS0AGBbVxBJMQq2pt4fQkohPpIWrIiFit5cAoxvuz/3dxi6uqgnGwmwaLZeQK3rWC6r0Wp5wnkEAQ',
      ],
      [
        '$in6cE4wpw2ez7N6c8womu07NMjFSrnrT9n9hGhN28Eg',
        'C/DVhYhD+3CVDW13WcZ2YAnr13ItXR9L5bhgmfylKRg',
        '0TozU07Kb8lwR0Y4VXdybj//mtqlx8L+QxcRSb344WwzAbdwVuVoOd3tuwl6J0WWxNTzhSjOdIBymcwwsbvOAA',
      ],
      [
        '$BSVgxbCwZmh2OGv9RqzGwIAvSV9w7LI41qEWWf_5lio',
        'wP4VHhfsW2ctOrkFiInKxHNHhkzQotKrP4P1jNP7AN0',
        'ElqICsre6L0hLH/Nn0WUGt6ZY1nGrubBiddlJARu9jZ4uxEnHJtBYEgvhO14jLT+kDnjAQp2yZPTZbvrESgRAA',
      ],
      [
        '$fgoI-_DWwGs8bHSFcQVHXxgI_Sf03UUvSxJxMsPXydI',
        'l1qJbvuSEqpZu2xTSxANaI9xyvX0EZZxAqfrxRtggJU',
        'b+0Chu66MKAwfxBKJ3/Ux39FdFruijd4zApsXqFND6t1YtXrns1JBprneHuOhGAwWQUQ6wI5Zk+1dFBRW59vBQ',
      ],
      [
        '$rq7fFRxJiYIFX2B_PnSQOH0X1fzQpCnwIdL8Ox4RaUo',
        '/FbNfpULOGXR0e2rYPwBn85UdHf0EWIljPdESprtEU8',
        'jM4KGOGnAoDVAP0Rk8fTc+AOfySi5fs02b+xwrLZNKIwimcwkzTjd8pSouTpx9fu3sUSTbEWqn3c0Hk/K2rvAQ',
      ],
      [
        '$DmUSe7nhxHj25melM6YVCZMPdR36tpGbjrD5ySlryI0',
        'ikJrSphNCcMQtTg/qQKZmsdnbRYqDI28P9I1uFMkPfY',
        'HRVGfLZ1da7Grr5Ke21QinFhhVFAiLy/hGbAEoxFIzEAuiGGNJKDr0sJO2De4RIVZm81y55OZ7TBSiyWaPguDA',
      ],
      [
        '$bexhIVgCi5kuUU_GU1JEAHkS3WIjoPq4EvFjCdobN2g',
        'gVJ/rUMgdzpyzf2LiXila2syY+9pc6A9g8ykh8ou8sw',
        'eGVpLOBa/KYEqRFjXeivhBa6idu/PDzCG5Sg8NedimNpCD5FO6KJK76C3XY4X9sHiqk5G5l5+SL9LtoUwgzFDA',
      ],
    ],
  },
  {
    version: '10',
    roomId: '!n8f893n9Qx:home.example',
    events: [
      [
        '$3Cm4Ju2Yj3431GgfWykEnvdovYejNudFJLMDsorAJOo',
        'gKmXw6PFNz9+b9NRFc12oCYPVX/dPztCEEqbniAnuZk',
        '9s7C4PzuutrEfHoPHnBfIXbc0oEZ7yZNgmoYOawXY0INaRg4qGVEEPERaTk369BiEAYJrnOLYGmBmDDdYt6nDg',
      ],
      [
        '$roYHm5PPvCJ4xAX86NMWlOzZPrBs9to8Pke_y653Gk8',
        'o4olZ9sbg4TdL7qklk3AA4t5BTzb4O9nddvae8Yn0xM',
        'd9nuluYU6Ekf5k8RQMjsUuAEfBehwD2Ns//m1/TdPYk6DEuh7q9CBhQzv5kw6fAFLkS3/rnwdRIIHYMuqI+YCg',
      ],
      [
        '$cOBI2zvXg8aNQPPJAALQdsL5Yy_yoz1gqQ1gJN5iT8c',
        'DJ8LGHIvyD0u1DH7zrLiI0BiMm1D1IIJL862ckTi3Ik',
        'IXoaUS/FhQgMfczj1eAMhMjY5bl+unCWtTlPiDdiPzztdIgoqtOb6jh0rs7dY6s2RuhFQc1Popi4juLtu2KiCA',
      ],
      [
        '$XeZCcYLPb8uDoN6C4yiofUQc0hyTa8BhhtJV9lFt1wM',
        'WFtgTlVMXWSZlpoc53U9EheZHZjZWNLE3CSEB4nwxCo',
        '7t1meIAALl47CmohdahM5jEMSEitP5jnfyeM/f7cEcNaRW0pZAfObQd/PD+hsekIMwBE5LbqiZ+By5lzc0HJBA',
      ],
      [
        '$aj2uXyIPTI7QJE8iRD0eIU7UHZQbfWDLyQMFJmfk77M',
        '0cTMPQ6lm8q3WvxTVE0CrLWXtCZFNzeveKV0CA4Ua5o',
        'sGXuThb2C7mTjncsbg4ZzaVuXZOAOcqZs5WpquX87Y+GRLobE2qg3iR0JnPHJPr1rfQ+ZJIs7rj/42qpGOxpAg',
      ],
      [
        '$WJtELHUw0s02BF0Hu7Rhwn7afPtezaB5xghJHVtvS4U',
        'WMSIv5+YPoDkBDPgMZAZ9JuowM6f2bK6+0l9FmvD4j0',
        'DOQXY7zQjXfdsrrhSGRsrGzSFldHcgOFYan2aWJIixAcVO2vOHqmO4qnyF0av7iRK+vsz1GliRumsAokYwZpAw',
      ],
      [
        '$rJaiPwwATsww6xuTB45ZlhrcJgmpye_HBxyQrQApsTE',
        'vZn9hynJ8I0y6Rz2cJ22BIJyUhb9p6CqXqMLOhxOeLw',
        'yiDEkJ0bsHjZ0E7/bSvzJA/iWgSYVXi/SwQUl9aE3fAWpyJEJG3CUhBtfCbN/kZrA9EhoC2yrLnlfalW8oGjBw',
      ],
    ],
  },
] as unknown as readonly RoomVector[]

/** T6: reference-hash IDs of the redaction rows in versions 6 and 7, 8, 9 and 10, 11 and 12. */
export const REDACTION_IDS: Readonly<
  Record<string, readonly [v6: string, v8: string, v9: string, v11: string]>
> = {
  M: [
    '$tDlohGimHoViIAu01TFpkRWKTOZWAqH7qKiWz4YFOZg',
    '$tDlohGimHoViIAu01TFpkRWKTOZWAqH7qKiWz4YFOZg',
    '$XlJ-KR6PQTkOZfuYdXUZVzNiMYBVb4k9M3FKKmKsdIs',
    '$56ipsp98bwEYpS8wTChfXJxRF9fdsxjLaY3y35zP-Pk',
  ],
  C: [
    '$E1g8_nJAGiUAnHROrpdJ2MDSIJ5cOcuazPoLgypnsfc',
    '$E1g8_nJAGiUAnHROrpdJ2MDSIJ5cOcuazPoLgypnsfc',
    '$E1g8_nJAGiUAnHROrpdJ2MDSIJ5cOcuazPoLgypnsfc',
    '$d4MYQQOjKhpAr9hDpPaeKXAYFTefCBe5noj1njGdmyc',
  ],
  J: [
    '$GvVMXZ_anyt2V5pW-TISq085IN04ZgYqP2z6NY_PkGY',
    '$lbuY-Ydq0iKlDRYihtaTFE2RuiBg8Pv1tqlmCNFpdD4',
    '$lbuY-Ydq0iKlDRYihtaTFE2RuiBg8Pv1tqlmCNFpdD4',
    '$YkTpKaBNFDpNkbDgy7fPbJ31dj2GqY1Z2r0N2W_Z2WQ',
  ],
  P: [
    '$DNz8ODImqHkmbLt3jPerbDPqcPy6iXVNwQMmEHwpW3w',
    '$DNz8ODImqHkmbLt3jPerbDPqcPy6iXVNwQMmEHwpW3w',
    '$DNz8ODImqHkmbLt3jPerbDPqcPy6iXVNwQMmEHwpW3w',
    '$4MTLerJcH01OgQ_6pkfgi7bIuNwFh3BeXj0sqo8sQHU',
  ],
  H: [
    '$pVklcCM3e01t7Nu6eV6j0iLEEgoafq6G3SYXWwDcsKs',
    '$pVklcCM3e01t7Nu6eV6j0iLEEgoafq6G3SYXWwDcsKs',
    '$pVklcCM3e01t7Nu6eV6j0iLEEgoafq6G3SYXWwDcsKs',
    '$1rUFJqVHYuL9b5FiDPsi7UwIhBRVs2-Hmnf1asJtUew',
  ],
  R: [
    '$KX1-6WR9VfwaCt7UUdadEwPXvK2s9j8XGmBTcywOhyw',
    '$KX1-6WR9VfwaCt7UUdadEwPXvK2s9j8XGmBTcywOhyw',
    '$KX1-6WR9VfwaCt7UUdadEwPXvK2s9j8XGmBTcywOhyw',
    '$Y3YxBH0j_yZX3boWMcnfRVnRGW7xpOfZgDtveIt89PU',
  ],
  A: [
    '$IOpXNTUznkmORoriCv96ddWkVcb2KhFQEOpA7YDquFQ',
    '$IOpXNTUznkmORoriCv96ddWkVcb2KhFQEOpA7YDquFQ',
    '$IOpXNTUznkmORoriCv96ddWkVcb2KhFQEOpA7YDquFQ',
    '$ZhUT7dMQloH2z96FJ1WF6kgL-Jw5tDVAPp3J6yJb1y8',
  ],
  T: [
    '$7Gqo0jo3cCuGDKb12bc8OzLNaUzTWpOqCyWFIRowAmY',
    '$7Gqo0jo3cCuGDKb12bc8OzLNaUzTWpOqCyWFIRowAmY',
    '$7Gqo0jo3cCuGDKb12bc8OzLNaUzTWpOqCyWFIRowAmY',
    '$qn_1aY7pQEIPCfOPMEaMtwZSdNTUVA1lGt0NwT0CeV8',
  ],
}
