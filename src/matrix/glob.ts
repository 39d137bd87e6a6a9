/**
 * Does the glob (`*` any run of characters, `?` one) fit the whole text? Goes back at most to the last `*`, so it takes
 * glob × text steps at worst.
 */
export function matchesGlob(glob: string, text: string): boolean {
  let at = 0
  let from = 0
  let star = -1
  let retry = 0
  while (from < text.length) {
    if (glob[at] === '*') {
      star = at
      at += 1
      retry = from
    } else if (at < glob.length && (glob[at] === '?' || glob[at] === text[from])) {
      at += 1
      from += 1
    } else if (star >= 0) {
      at = star + 1
      retry += 1
      from = retry
    } else return false
  }
  while (glob[at] === '*') at += 1
  return at === glob.length
}
