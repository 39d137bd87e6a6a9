import type { TargetedSubmitEvent } from 'preact'
import { useState } from 'preact/hooks'
import { register, signIn } from './account.ts'
import { useAct } from './act.ts'
import { Problem } from './problem.tsx'
import type { Session } from './session.ts'

/** For who is not signed in: with an account, or making one. */
export function SignIn({
  notice,
  onSession,
}: {
  readonly notice: string
  readonly onSession: (session: Session) => void
}) {
  const [isNew, setNew] = useState(false)
  const { isRunning, problem, setProblem, run } = useAct()
  const submit = (event: TargetedSubmitEvent<HTMLFormElement>): void => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    const [user, password] = [textOf(fields, 'user').trim(), textOf(fields, 'password')]
    if (user === '' || password === '') return setProblem('Both a name and a password are needed.')
    void run(async () => onSession(await (isNew ? register : signIn)(user, password)))
  }
  return (
    <main class="door">
      <h1 class="wordmark">Adsum</h1>
      <p class="motto">
        <i lang="la">adsum</i>: “I am here”, the answer at a roll call. See who is around on{' '}
        <bdi>{location.host}</bdi>, and say so yourself.
      </p>
      {notice !== '' && <p role="status">{notice}</p>}
      <form onSubmit={submit} noValidate>
        <label>
          Name
          <input
            name="user"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            placeholder="alice"
          />
        </label>
        <label>
          Password
          <input name="password" type="password" autocomplete={isNew ? 'new-password' : 'current-password'} />
        </label>
        <Problem text={problem} />
        <button class="primary" aria-disabled={isRunning}>
          {isNew ? 'Make an account' : 'Sign in'}
        </button>
      </form>
      <p class="aside">
        {isNew ? 'You have an account? ' : 'You have none yet? '}
        <button
          class="link"
          onClick={() => {
            setNew(!isNew)
            setProblem('')
          }}
        >
          {isNew ? 'Sign in' : 'Make an account'}
        </button>
      </p>
    </main>
  )
}

function textOf(fields: FormData, name: string): string {
  const value = fields.get(name)
  return typeof value === 'string' ? value : ''
}
