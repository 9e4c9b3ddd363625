"""The worker's main path as a Python team would write it: FastStream, asyncpg, one row per notification."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import orjson
import uvloop
from faststream import AckPolicy, FastStream
from faststream.exceptions import RejectMessage
from faststream.rabbit import Channel, RabbitBroker, RabbitExchange, RabbitQueue

from addresses import Addresses
from event import event_of, is_question, key_of, routing_key

TENANT = os.environ.get("TENANT", "acme")
DOMAIN = os.environ.get("DOMAIN", "znanylekarz.pl")

# By default FastStream logs two lines for each message.
logging.basicConfig(level=logging.WARNING)
log = logging.getLogger("peer")

broker = RabbitBroker(os.environ["AMQP_URL"], logger=log)
incoming = RabbitQueue(os.environ["INCOMING_QUEUE"], declare=False)
exchange = RabbitExchange(os.environ["EXCHANGE"], declare=False)
window = Channel(prefetch_count=int(os.environ.get("PREFETCH", "256")))

addresses = Addresses(
    os.environ["API_URL"],
    os.environ.get("CLIENT_ID", "demo"),
    os.environ.get("CLIENT_SECRET", "secret"),
)
pool: asyncpg.Pool


@asynccontextmanager
async def lifespan() -> AsyncIterator[None]:
    global pool
    async with asyncpg.create_pool(os.environ["DATABASE_URL"]) as pool, addresses:
        # A lock, because two processes that create the same table at once fail.
        await pool.execute(
            """
            SELECT pg_advisory_xact_lock(20261123);
            CREATE TABLE IF NOT EXISTS peer_faststream_seen (
                key text PRIMARY KEY,
                seen_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        yield


app = FastStream(broker, lifespan=lifespan, logger=log)


@app.after_startup
async def tell_ready() -> None:
    print("ready", flush=True)


# The acknowledgement follows when this has returned; after an exception, the broker delivers again.
@broker.subscriber(incoming, channel=window, ack_policy=AckPolicy.NACK_ON_ERROR)
async def handle(notification: dict) -> None:
    try:
        if is_question(notification):
            return
        key = key_of(notification, TENANT)
    except (KeyError, TypeError, ValueError) as error:
        log.error("not a notification: %r", error)
        raise RejectMessage from error
    remembered = await pool.fetchval(
        "INSERT INTO peer_faststream_seen (key) VALUES ($1) ON CONFLICT DO NOTHING RETURNING true", key
    )
    if not remembered:
        return
    try:
        flags = await addresses.flags(notification["data"])
        await publish(event_of(notification, key, flags, TENANT, DOMAIN))
    except Exception:
        # Else the next try would take itself for a duplicate.
        await pool.execute("DELETE FROM peer_faststream_seen WHERE key = $1", key)
        raise


async def publish(event: dict) -> None:
    """Returns when the broker has confirmed it."""
    await broker.publish(
        orjson.dumps(event),
        exchange=exchange,
        routing_key=routing_key(event),
        persist=True,
        content_type="application/cloudevents+json; charset=utf-8",
        message_id=event["id"],
        message_type=event["type"],
        headers={"tenant": event["tenant"]},
    )


if __name__ == "__main__":
    uvloop.run(app.run())
