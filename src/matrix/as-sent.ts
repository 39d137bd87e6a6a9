import { z } from 'zod'

/**
 * Checks the shape and gives back the value itself. zod's own objects are copies without the key `__proto__`, and what a
 * client stores is handed out again as it came.
 */
export function asSent<T>(shape: z.ZodType<T>): z.ZodType<T> {
  return z.unknown().transform((value, context) => {
    const checked = shape.safeParse(value)
    if (checked.success) return value as T
    for (const { path, message } of checked.error.issues)
      context.issues.push({ code: 'custom', path: [...path], message, input: value })
    return z.NEVER
  })
}
