// A secret value that cannot be printed by accident; the bytes are zeroed by `destroy`.
const hidden = '[redacted]';

/** Holds key or password bytes. `expose` is the only way to them; do not keep what it returns. */
export class Secret {
  readonly #bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  static fromText(text: string): Secret {
    return new Secret(new TextEncoder().encode(text));
  }
  expose(): Uint8Array {
    return this.#bytes;
  }
  exposeText(): string {
    return new TextDecoder().decode(this.#bytes);
  }
  destroy(): void {
    this.#bytes.fill(0);
  }
  toString(): string {
    return hidden;
  }
  toJSON(): string {
    return hidden;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return hidden;
  }
}
