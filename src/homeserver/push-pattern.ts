/** Longer patterns match nothing: they come from users and are tried on every event. */
const PATTERN_MAX = 256
/** Only this much of a text is looked at. */
const TEXT_MAX = 16_384

/** Does the glob (`*` any run, `?` one character) fit the whole text? Letter case does not count. */
export function matchesWholeText(pattern: string, text: string): boolean {
  return fits(
    pattern,
    text,
    'glob',
    () => true,
    (start) => start === 0,
    (end, length) => end === length,
  )
}

/**
 * Does it fit somewhere in the text, beginning and ending at word boundaries? With `literal`, `*` and `?` are themselves.
 */
export function matchesWords(pattern: string, text: string, wildcards: 'glob' | 'literal' = 'glob'): boolean {
  return fits(pattern, text, wildcards, (glob) => glob !== '', startsWord, endsWord)
}

type Boundary = (at: number, length: number, text: string) => boolean

/** Every part is taken as early as possible, which leaves the most for those after it; so there is no backtracking. */
function fits(
  pattern: string,
  text: string,
  wildcards: 'glob' | 'literal',
  isUsable: (pattern: string) => boolean,
  mayStart: Boundary,
  mayEnd: Boundary,
): boolean {
  if (pattern.length > PATTERN_MAX || !isUsable(pattern)) return false
  const searched = text.slice(0, TEXT_MAX).toLowerCase()
  const lower = pattern.toLowerCase()
  const parts = wildcards === 'glob' ? lower.split('*') : [lower]
  const isOneChar = wildcards === 'glob' ? '?' : null
  let at = 0
  for (const [index, part] of parts.entries()) {
    const isFirst = index === 0
    const isLast = index === parts.length - 1
    // A `*` at either end reaches to the boundary of the text, which is always one.
    if (part === '' && parts.length > 1) continue
    const found = find(part, searched, at, isOneChar, (start) => {
      if (isFirst && !mayStart(start, searched.length, searched)) return false
      return !isLast || mayEnd(start + part.length, searched.length, searched)
    })
    if (found < 0) return false
    at = found + part.length
  }
  return true
}

function find(
  part: string,
  text: string,
  from: number,
  isOneChar: '?' | null,
  accepts: (start: number) => boolean,
): number {
  for (let start = from; start + part.length <= text.length; start += 1)
    if (accepts(start) && isAt(part, text, start, isOneChar)) return start
  return -1
}

function isAt(part: string, text: string, start: number, isOneChar: '?' | null): boolean {
  for (let i = 0; i < part.length; i += 1) {
    const wanted = part.charAt(i)
    if (wanted !== isOneChar && wanted !== text.charAt(start + i)) return false
  }
  return true
}

const WORD = /[\w]/

function startsWord(at: number, _length: number, text: string): boolean {
  return at === 0 || !WORD.test(text.charAt(at - 1))
}

function endsWord(at: number, length: number, text: string): boolean {
  return at === length || !WORD.test(text.charAt(at))
}
