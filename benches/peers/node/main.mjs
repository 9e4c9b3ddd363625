// The worker's main path as a Node team would write it: amqplib, pg, one row per notification.
import { once } from 'node:events';

import amqp from 'amqplib';
import pg from 'pg';

import { Addresses } from './addresses.mjs';
import { decode, eventOf, isQuestion, keyOf, routingKey } from './event.mjs';

const env = process.env;
const tenant = { id: env.TENANT ?? 'acme', domain: env.DOMAIN ?? 'znanylekarz.pl' };
const addresses = new Addresses({
  url: env.API_URL,
  clientId: env.CLIENT_ID ?? 'demo',
  clientSecret: env.CLIENT_SECRET ?? 'secret',
});
const pool = new pg.Pool({ connectionString: env.DATABASE_URL });
const inFlight = new Set();

// A lock, because two processes that create the same table at once fail.
await pool.query(`
  SELECT pg_advisory_xact_lock(20261123);
  CREATE TABLE IF NOT EXISTS peer_node_seen (
    key text PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
  )`);

const connection = await amqp.connect(env.AMQP_URL);
const consuming = await connection.createChannel();
const publishing = await connection.createConfirmChannel();
// Who starts this starts it again: there is nothing to go on with.
for (const source of [connection, consuming, publishing, pool]) source.on('error', fail);

await consuming.prefetch(Number(env.PREFETCH ?? 256));
const { consumerTag } = await consuming.consume(env.INCOMING_QUEUE, (message) => {
  if (message === null) return fail(new Error('the queue is gone'));
  const handling = handle(message).finally(() => inFlight.delete(handling));
  inFlight.add(handling);
});
console.log('ready');

await once(process, 'SIGTERM');
await consuming.cancel(consumerTag);
await Promise.all(inFlight);
await consuming.close();
await publishing.close();
await connection.close();
await pool.end();

async function handle(message) {
  let notification, key;
  try {
    notification = decode(message.content);
    if (!isQuestion(notification)) key = keyOf(notification, tenant);
  } catch (error) {
    console.error('not a notification:', error.message);
    return consuming.reject(message, false);
  }
  try {
    if (key) await publishOnce(notification, key);
    consuming.ack(message);
  } catch (error) {
    console.error('will be tried again:', error.message);
    consuming.nack(message);
  }
}

async function publishOnce(notification, key) {
  const { rowCount } = await pool.query({
    name: 'remember',
    text: 'INSERT INTO peer_node_seen (key) VALUES ($1) ON CONFLICT DO NOTHING',
    values: [key],
  });
  if (rowCount === 0) return;
  try {
    const flags = await addresses.flags(notification.data);
    await publish(eventOf(notification, key, flags, tenant), flags);
  } catch (error) {
    // Else the next try would take itself for a duplicate.
    await pool.query('DELETE FROM peer_node_seen WHERE key = $1', [key]);
    throw error;
  }
}

/** Resolves when the broker has confirmed it. */
function publish(event, flags) {
  const body = Buffer.from(JSON.stringify(event));
  const options = {
    persistent: true,
    contentType: 'application/cloudevents+json; charset=utf-8',
    messageId: event.id,
    type: event.type,
    appId: 'peer-node',
    timestamp: Math.floor(Date.now() / 1000),
    headers: { tenant: event.tenant },
  };
  return new Promise((resolve, reject) => {
    const confirmed = (error) => (error ? reject(error) : resolve());
    publishing.publish(env.EXCHANGE, routingKey(event, flags), body, options, confirmed);
  });
}

function fail(error) {
  console.error(error);
  process.exit(1);
}
