import { useLayoutEffect } from 'preact/hooks'

/**
 * For lists whose rows move and go away. A browser takes the focus from what is moved: it is given back. When the row that
 * had it is gone, it goes on to the first of these headings that is there, instead of to the top of the page.
 */
export function useFocusKept(...headingIds: readonly string[]): void {
  // The document is still as it was before this rendering.
  const focused = document.activeElement
  useLayoutEffect(() => {
    const isLost = document.activeElement === document.body && focused !== document.body
    if (!isLost || !(focused instanceof HTMLElement)) return
    const headings = headingIds.map((id) => document.getElementById(id))
    const next = focused.isConnected ? focused : headings.find((heading) => heading !== null)
    next?.focus()
  })
}
