"""What Docplanner's API says of addresses, asked once for each."""

import asyncio
import time
from datetime import UTC, datetime

import aiohttp

FLAGS_TTL_SECONDS = 600
RENEW_TOKEN_BEFORE_EXPIRY_SECONDS = 30
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=4)


class Addresses:
    def __init__(self, url: str, client_id: str, client_secret: str) -> None:
        self._url = url.rstrip("/")
        self._login = aiohttp.BasicAuth(client_id, client_secret)
        self._http: aiohttp.ClientSession | None = None
        self._known: dict[str, tuple[float, asyncio.Task[dict]]] = {}
        self._token = ""
        self._token_until = 0.0
        self._token_lock = asyncio.Lock()

    async def __aenter__(self) -> "Addresses":
        self._http = aiohttp.ClientSession(timeout=REQUEST_TIMEOUT, raise_for_status=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def flags(self, data: dict) -> dict:
        """The flags of a notification's address. Who asks while somebody else does gets the same answer."""
        address = data["address"]["id"]
        until, asking = self._known.get(address, (0.0, None))
        if asking is None or time.monotonic() > until:
            asking = asyncio.create_task(self._ask(data["facility"]["id"], data["doctor"]["id"], address))
            self._known[address] = (time.monotonic() + FLAGS_TTL_SECONDS, asking)
        try:
            return await asyncio.shield(asking)
        except Exception:
            # A failure is not an answer: the next one asks again.
            self._known.pop(address, None)
            raise

    async def _ask(self, facility: str, doctor: str, address: str) -> dict:
        path = f"/api/v3/integration/facilities/{facility}/doctors/{doctor}/addresses/{address}"
        scopes = {"with": "address.online_only,address.visit_payment"}
        headers = {"Authorization": f"Bearer {await self._current_token()}"}
        async with self._http.get(self._url + path, params=scopes, headers=headers) as response:
            return await response.json() | {"as_of": datetime.now(UTC).isoformat()}

    async def _current_token(self) -> str:
        async with self._token_lock:
            if time.monotonic() > self._token_until:
                form = {"grant_type": "client_credentials", "scope": "integration"}
                url = f"{self._url}/oauth/v2/token"
                async with self._http.post(url, data=form, auth=self._login) as response:
                    answer = await response.json()
                lifetime = answer.get("expires_in", 3600) - RENEW_TOKEN_BEFORE_EXPIRY_SECONDS
                self._token, self._token_until = answer["access_token"], time.monotonic() + lifetime
            return self._token
