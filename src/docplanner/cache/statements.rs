//! The statements over address facts.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use deadpool_postgres::Object;
use tokio_postgres::Row;

use super::{
    known::{Age, Known},
    shared::{BRIEFLY, CHANNEL, DoctorId, Lease, Look, Seen, is_storable},
};
use crate::{database::Statement, normalize::AddressFacts};

/// How long the others wait for a holder of whom nothing is heard. A dead one delays them by this.
const LEASE: Duration = Duration::from_secs(4);

/// What is known of addresses, and the lease to ask for it if that is not fresh and nobody else asks. The lease
/// is taken only in the round that the same statement has seen: a holder who has stored its answer meanwhile has
/// ended that round. Sorted, so that two pods with overlapping batches cannot deadlock.
const LOOK: &str = "
    WITH asked AS (
        SELECT * FROM unnest($1::int[], $2::text[], $3::text[], $4::text[], $5::text[], $6::float8[], $8::bool[])
            AS asked (nth, tenant, facility_id, doctor_id, address_id, ttl, may_ask)
    ), known AS (
        SELECT asked.nth, online_only, visit_payment, post_code, city, as_of, fetched,
               greatest(extract(epoch FROM now() - fetched_at), 0)::float8 AS age,
               fetched > dropped AS unchanged
        FROM asked JOIN address_flags USING (tenant, address_id)
        WHERE fetched_at IS NOT NULL
    ), wanted AS (
        SELECT DISTINCT tenant, facility_id, doctor_id, coalesce(round, 0) AS seen
        FROM asked
        LEFT JOIN known USING (nth)
        LEFT JOIN address_fetches USING (tenant, facility_id, doctor_id)
        WHERE may_ask AND NOT coalesce(unchanged AND age < ttl, false)
          AND coalesce(leased_until <= now(), true)
    ), leased AS (
        INSERT INTO address_fetches (tenant, facility_id, doctor_id, round, leased_until)
        SELECT tenant, facility_id, doctor_id, seen + 1, now() + make_interval(secs => $7)
        FROM wanted ORDER BY tenant, facility_id, doctor_id
        ON CONFLICT (tenant, facility_id, doctor_id) DO UPDATE
            SET round = excluded.round, leased_until = excluded.leased_until
            WHERE address_fetches.round = excluded.round - 1
        RETURNING tenant, facility_id, doctor_id, round
    )
    SELECT asked.nth, known.*, leased.round,
           CASE WHEN leased.round IS NOT NULL THEN nextval('address_flags_moments') END AS moment
    FROM asked
    LEFT JOIN known USING (nth)
    LEFT JOIN leased USING (tenant, facility_id, doctor_id)
    ORDER BY asked.nth";

/// Writes what the API has answered and gives the lease back, in one: who takes it next sees the answer. An
/// older answer never replaces a newer one.
const STORE: &str = "
    WITH told AS (
        SELECT * FROM unnest($2::text[], $3::bool[], $4::bool[], $5::text[], $6::text[])
            AS told (address_id, online_only, visit_payment, post_code, city)
    ), stored AS (
        INSERT INTO address_flags AS flags (tenant, address_id, online_only, visit_payment,
                                            post_code, city, as_of, fetched_at, fetched)
        SELECT $1, address_id, online_only, visit_payment, post_code, city, $7,
               now() - make_interval(secs => $8), $9
        FROM told ORDER BY address_id
        ON CONFLICT (tenant, address_id) DO UPDATE
            SET online_only = excluded.online_only, visit_payment = excluded.visit_payment,
                post_code = excluded.post_code, city = excluded.city, as_of = excluded.as_of,
                fetched_at = excluded.fetched_at, fetched = excluded.fetched, written_at = now()
            WHERE flags.fetched < excluded.fetched
    )
    UPDATE address_fetches SET leased_until = now(), round = round + 1
    WHERE tenant = $1 AND facility_id = $10 AND doctor_id = $11 AND round = $12";

const RELEASE: &str = "
    UPDATE address_fetches SET leased_until = now(), round = round + 1
    WHERE tenant = $1 AND facility_id = $2 AND doctor_id = $3 AND round = $4";

const RENEW: &str = "
    UPDATE address_fetches SET leased_until = now() + make_interval(secs => $5)
    WHERE tenant = $1 AND facility_id = $2 AND doctor_id = $3 AND round = $4";

/// An address has changed: what was asked for before is old, also in every pod's memory. The answer may be
/// on its way and the address unknown here, so that a row without flags remembers the change.
const DROP: &str = "
    WITH dropped AS (
        INSERT INTO address_flags AS flags (tenant, address_id, dropped)
        VALUES ($1, $2, nextval('address_flags_moments'))
        ON CONFLICT (tenant, address_id) DO UPDATE
            SET dropped = greatest(flags.dropped, excluded.dropped), written_at = now()
        RETURNING dropped
    )
    SELECT dropped, pg_notify($3, dropped || ' ' || $1 || '/' || $2) FROM dropped";

const READ: &str = "
    SELECT online_only, visit_payment, post_code, city, as_of, fetched,
           greatest(extract(epoch FROM now() - fetched_at), 0)::float8 AS age,
           fetched > dropped AS unchanged
    FROM address_flags
    WHERE tenant = $1 AND address_id = $2 AND fetched_at IS NOT NULL";

/// What the database knows of an address; nothing is written.
pub(super) async fn read(
    client: &Object,
    tenant: &str,
    address: &str,
) -> Result<Option<Known>, tokio_postgres::Error> {
    if !is_storable(address) {
        return Ok(None);
    }
    let row = client.query_opt(READ, &[&tenant, &address]).await?;
    Ok(row.map(|row| known(&row, Instant::now())))
}

fn known(row: &Row, asked: Instant) -> Known {
    Known {
        facts: AddressFacts {
            online_only: row.get("online_only"),
            visit_payment: row.get("visit_payment"),
            post_code: row.get("post_code"),
            city: row.get("city"),
            as_of: row.get("as_of"),
        },
        // From before the database looked at its clock: rather too old than too young.
        age: Age::of(Duration::try_from_secs_f64(row.get("age")).unwrap_or(Duration::MAX), asked),
        unchanged: row.get("unchanged"),
        moment: Some(row.get("fetched")),
    }
}

/// PostgreSQL's text has no zero byte, and one nonsensical city must not keep out the rest.
fn text(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.contains('\0'))
}

pub(super) struct LookBatch(pub(super) Vec<Look>);

impl Statement for LookBatch {
    type Answer = Vec<Seen>;
    const TIMEOUT: Duration = BRIEFLY;

    async fn ask(&self, client: &Object) -> Result<Vec<Seen>, tokio_postgres::Error> {
        let looks = &self.0;
        let nth: Vec<i32> = (0..).take(looks.len()).collect();
        let tenants: Vec<&str> = looks.iter().map(|look| look.doctor.tenant.as_str()).collect();
        let facilities: Vec<&str> =
            looks.iter().map(|look| look.doctor.facility.as_str()).collect();
        let doctors: Vec<&str> = looks.iter().map(|look| look.doctor.doctor.as_str()).collect();
        let addresses: Vec<&str> = looks.iter().map(|look| look.address.as_str()).collect();
        let ttls: Vec<f64> = looks.iter().map(|look| look.ttl.as_secs_f64()).collect();
        let may_ask: Vec<bool> = looks.iter().map(|look| look.may_ask).collect();

        let statement = client.prepare_cached(LOOK).await?;
        let asked = Instant::now();
        let lease_secs = LEASE.as_secs_f64();
        let rows = client
            .query(
                &statement,
                &[&nth, &tenants, &facilities, &doctors, &addresses, &ttls, &lease_secs, &may_ask],
            )
            .await?;
        // The lease is the doctor's: of several who ask for the same one, the first has it.
        let mut leased = HashSet::new();
        let seen = looks.iter().zip(&rows).map(|(look, row)| {
            let known = row.get::<_, Option<i64>>("fetched").map(|_| known(row, asked));
            let round: Option<i64> = row.get("round");
            let is_fresh = known.as_ref().is_some_and(|known| known.is_fresh(look.ttl, asked));
            let may_have_it = look.may_ask && !is_fresh;
            let lease = round.filter(|_| may_have_it && leased.insert(&look.doctor)).map(|round| {
                Lease { doctor: look.doctor.clone(), round, moment: row.get("moment") }
            });
            Seen { known, lease }
        });
        Ok(seen.collect())
    }
}

pub(super) struct Store<'s> {
    pub(super) lease: &'s Lease,
    pub(super) told: &'s [(String, AddressFacts)],
    /// When the API gave the answer.
    pub(super) answered: Instant,
}

impl Statement for Store<'_> {
    type Answer = ();
    const TIMEOUT: Duration = BRIEFLY;

    async fn ask(&self, client: &Object) -> Result<(), tokio_postgres::Error> {
        let Lease { doctor: DoctorId { tenant, facility, doctor }, round, moment } = self.lease;
        let told: Vec<_> = self.told.iter().filter(|(id, _)| is_storable(id)).collect();
        let ids: Vec<&str> = told.iter().map(|(id, _)| id.as_str()).collect();
        let online: Vec<Option<bool>> = told.iter().map(|(_, it)| it.online_only).collect();
        let payment: Vec<Option<bool>> = told.iter().map(|(_, it)| it.visit_payment).collect();
        let post_codes: Vec<_> = told.iter().map(|(_, it)| text(it.post_code.as_ref())).collect();
        let cities: Vec<_> = told.iter().map(|(_, it)| text(it.city.as_ref())).collect();
        let as_of = told.iter().filter_map(|(_, it)| it.as_of).max();

        let statement = client.prepare_cached(STORE).await?;
        let age_secs = self.answered.elapsed().as_secs_f64();
        client
            .execute(
                &statement,
                &[
                    tenant,
                    &ids,
                    &online,
                    &payment,
                    &post_codes,
                    &cities,
                    &as_of,
                    &age_secs,
                    moment,
                    facility,
                    doctor,
                    round,
                ],
            )
            .await
            .map(|_| ())
    }
}

pub(super) struct Release<'s>(pub(super) &'s Lease);

impl Statement for Release<'_> {
    type Answer = ();
    const TIMEOUT: Duration = BRIEFLY;

    async fn ask(&self, client: &Object) -> Result<(), tokio_postgres::Error> {
        let Lease { doctor: DoctorId { tenant, facility, doctor }, round, .. } = self.0;
        let statement = client.prepare_cached(RELEASE).await?;
        client.execute(&statement, &[tenant, facility, doctor, round]).await.map(|_| ())
    }
}

pub(super) struct Renew<'s>(pub(super) &'s Lease);

impl Statement for Renew<'_> {
    type Answer = ();
    const TIMEOUT: Duration = BRIEFLY;

    async fn ask(&self, client: &Object) -> Result<(), tokio_postgres::Error> {
        let Lease { doctor: DoctorId { tenant, facility, doctor }, round, .. } = self.0;
        let statement = client.prepare_cached(RENEW).await?;
        let lease_secs = LEASE.as_secs_f64();
        let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [tenant, facility, doctor, round, &lease_secs];
        client.execute(&statement, &parameters).await.map(|_| ())
    }
}

pub(super) struct DropFlags<'s> {
    pub(super) tenant: &'s str,
    pub(super) address: &'s str,
}

impl Statement for DropFlags<'_> {
    type Answer = i64;

    async fn ask(&self, client: &Object) -> Result<i64, tokio_postgres::Error> {
        let statement = client.prepare_cached(DROP).await?;
        let row = client.query_one(&statement, &[&self.tenant, &self.address, &CHANNEL]).await?;
        Ok(row.get("dropped"))
    }
}
