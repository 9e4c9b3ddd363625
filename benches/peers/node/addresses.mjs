// What Docplanner's API says of addresses, asked once for each.
const FLAGS_TTL_MS = 10 * 60_000;
const RENEW_TOKEN_BEFORE_EXPIRY_MS = 30_000;
const REQUEST_TIMEOUT_MS = 4_000;

export class Addresses {
  #api;
  #token;
  #known = new Map();

  constructor(api) {
    this.#api = api;
  }

  /** The flags of a notification's address. Who asks while somebody else does gets the same answer. */
  flags({ facility, doctor, address }) {
    const known = this.#known.get(address.id);
    if (known && Date.now() < known.until) return known.flags;
    const flags = this.#ask(facility.id, doctor.id, address.id);
    this.#known.set(address.id, { flags, until: Date.now() + FLAGS_TTL_MS });
    // A failure is not an answer: the next one asks again.
    flags.catch(() => this.#known.delete(address.id));
    return flags;
  }

  async #ask(facility, doctor, address) {
    const path = `/api/v3/integration/facilities/${facility}/doctors/${doctor}/addresses/${address}`;
    const url = new URL(path, this.#api.url);
    url.searchParams.set('with', 'address.online_only,address.visit_payment');
    const token = await this.#currentToken();
    const answer = await json(fetch(url, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    }));
    return { ...answer, as_of: new Date().toISOString() };
  }

  #currentToken() {
    this.#token ??= this.#requestToken().catch((error) => {
      this.#token = undefined;
      throw error;
    });
    return this.#token;
  }

  async #requestToken() {
    const { url, clientId, clientSecret } = this.#api;
    const { access_token, expires_in = 3600 } = await json(fetch(new URL('/oauth/v2/token', url), {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'integration' }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    }));
    const forget = () => (this.#token = undefined);
    setTimeout(forget, expires_in * 1000 - RENEW_TOKEN_BEFORE_EXPIRY_MS).unref();
    return access_token;
  }
}

async function json(request) {
  const response = await request;
  if (!response.ok) throw new Error(`the API answers ${response.status}`);
  return response.json();
}
