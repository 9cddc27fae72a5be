// Branded primitive types: a value of the wrong kind is a compile error, not a wrong row.
// A brand is given once, where text or a row is decoded; everything later may rely on it.

declare const brand: unique symbol;
/** `T` that carries the compile-time mark `B`. */
export type Brand<T, B extends string> = T & { readonly [brand]: B };
