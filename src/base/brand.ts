/** A type that its base type cannot be mistaken for: only the named parser or factory makes one. */
export type Brand<Base, Name extends string> = Base & { readonly __brand: Name }
