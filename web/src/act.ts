import { useState } from 'preact/hooks'
import { RequestError } from '@adsum/client'

export interface Act {
  readonly isRunning: boolean
  /** What went wrong last time, as a sentence; empty if nothing. */
  readonly problem: string
  readonly setProblem: (problem: string) => void
  /** Runs one thing at a time; true if it worked. */
  readonly run: (work: () => Promise<unknown>) => Promise<boolean>
}

/** Something a person does that takes a request: whether it is under way, and how it failed. */
export function useAct(): Act {
  const [isRunning, setRunning] = useState(false)
  const [problem, setProblem] = useState('')
  const run = async (work: () => Promise<unknown>): Promise<boolean> => {
    if (isRunning) return false
    setRunning(true)
    setProblem('')
    try {
      await work()
      return true
    } catch (error) {
      setProblem(problemOf(error))
      return false
    } finally {
      setRunning(false)
    }
  }
  return { isRunning, problem, setProblem, run }
}

export function problemOf(error: unknown): string {
  if (!(error instanceof RequestError)) return error instanceof Error ? error.message : 'That did not work.'
  if (error.status === 0) return 'The server cannot be reached.'
  if (error.errcode === 'M_LIMIT_EXCEEDED') return 'That was a bit much at once. Try again in a moment.'
  return error.message
}
