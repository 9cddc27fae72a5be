// Which class a token is: an HSM only if its profile says so and nothing that it reports of itself is known
// as software, so that a profile which calls SoftHSM an HSM convinces nobody.
import { readdirSync } from 'node:fs';
import { PostsealError } from '../../kernel/errors.ts';
import { loadProfile, profilesFolder, type TokenProfile } from './profile.ts';

/** Manufacturers of the software tokens that have a profile, as C_GetInfo and C_GetTokenInfo report them. */
function softwareManufacturers(): ReadonlySet<string> {
  const names = readdirSync(profilesFolder)
    .filter((file) => file.endsWith('.json') && file !== 'schema.json')
    .map((file) => file.slice(0, -'.json'.length));
  const software = names.map(loadProfile).filter(({ tokenClass }) => tokenClass !== 'hsm');
  return new Set(software.flatMap(({ manufacturers }) => manufacturers));
}

/** What is known of a token's class so far; every report can only make it less trusted. */
export class ReportedClass {
  readonly #profile: TokenProfile;
  readonly #hardwareOnly: boolean;
  readonly #software = softwareManufacturers();
  #tokenClass: TokenProfile['tokenClass'];

  /** @param hardwareOnly a software token is refused, not only named. */
  constructor(profile: TokenProfile, hardwareOnly: boolean) {
    this.#profile = profile;
    this.#hardwareOnly = hardwareOnly;
    this.#tokenClass = profile.tokenClass;
  }

  get tokenClass(): TokenProfile['tokenClass'] {
    return this.#tokenClass;
  }

  /**
   * Takes note of a manufacturer that a module or token reports, without its padding.
   * @throws PostsealError `key.software-token` for a software token where only hardware is allowed.
   */
  reported(manufacturer: string): void {
    if (this.#software.has(manufacturer)) this.#tokenClass = 'software-token';
    if (!this.#hardwareOnly || this.#tokenClass === 'hsm') return;
    throw new PostsealError('key.software-token', { profile: this.#profile.name, manufacturer });
  }
}
