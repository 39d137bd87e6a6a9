/** What went wrong, said aloud when it appears; the place is there before the text, else some readers stay silent. */
export function Problem({ text }: { readonly text: string }) {
  return (
    <p class="problem" role="alert">
      {text}
    </p>
  )
}
