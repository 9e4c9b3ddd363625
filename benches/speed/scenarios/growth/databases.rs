//! Databases that have grown, made by SQL from the worker's own schema.

use std::time::Instant;

use crate::{bench::Bench, place::Database, round::Case, run::Run, stage::Setup};

/// Ten million completed keys with their chains. Made once, and kept: runs add to it.
pub(crate) const GROWN: &str = "speed_grown";
/// Keys past their retention; copied for each run.
pub(crate) const EXPIRED: &str = "speed_expired";
/// Timers of later; copied for each run.
pub(crate) const TIMERS: &str = "speed_timers";

/// When a run ends, some were removed and more are left, so the cleaner was at work all the time.
pub(crate) const CLEANING_GOES_ON: &str = "
    SELECT count(*) BETWEEN 1 AND 999999 FROM (
        SELECT FROM inbox WHERE claimed_at < now() - interval '30 days'
    ) AS expired";

const GROW: &str = "
    INSERT INTO inbox (key, content, lease, holder, leased_until, claimed_at, completed_at, chain, sequence)
    SELECT gen_random_uuid(), gen_random_uuid(), 1, '00000000-0000-0000-0000-000000000000', at, at, at, subject, 1
    FROM filling;
    INSERT INTO chains (subject, partition_key, last_sequence, latest, keep_until)
    SELECT subject, 'clinic-0:booking:' || nth, 1, at, at + interval '45 days' FROM filling;
    DROP TABLE filling";

/// `filling`: rows of a day that is so long ago.
fn filling(rows: u32, from: &str) -> String {
    format!(
        "CREATE TEMP TABLE filling AS
         SELECT nth, gen_random_uuid() AS subject, now() - {from} AS at
         FROM generate_series(1, {rows}) AS nth"
    )
}

/// Loading is much faster without them, and they are as a rebuild leaves them.
const DROP_INDEXES: &str = "
    ALTER TABLE inbox DROP CONSTRAINT inbox_pkey; ALTER TABLE chains DROP CONSTRAINT chains_pkey;
    DROP INDEX inbox_claimed_at, chains_continues, chains_keep_until";
const MAKE_INDEXES: &str = "
    ALTER TABLE inbox ADD PRIMARY KEY (key); ALTER TABLE chains ADD PRIMARY KEY (subject);
    CREATE INDEX inbox_claimed_at ON inbox (claimed_at);
    CREATE INDEX chains_continues ON chains (continues) WHERE continues IS NOT NULL;
    CREATE INDEX chains_keep_until ON chains (keep_until)";

const SET_TIMERS: &str = "
    INSERT INTO timers (id, chain, kind, tenant, facility_id, doctor_id, address_id, booking_id, due_at, fire_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'payment', 'clinic-0', '226000', '160000', '410001',
           (1000000000 + nth)::text, now() + interval '1 day', now() + interval '1 day'
    FROM generate_series(1, 100000) AS nth";

/// The migrations of a database: those of another worker make another database.
const MIGRATIONS: &str = "SELECT string_agg(version || ':' || checksum, ',' ORDER BY version) FROM refinery_schema_history";

/// Makes those that the wanted cases need.
pub(crate) async fn prepare(
    setup: &Setup,
    cases: &[Case<Run>],
    bench: &Bench,
) -> anyhow::Result<()> {
    for case in cases.iter().filter(|case| bench.wants(&case.name)) {
        let (Database::Kept(name) | Database::CopyOf(name)) = case.run.setup.database else {
            continue;
        };
        make(name, setup, bench).await?;
    }
    Ok(())
}

async fn make(name: &'static str, setup: &Setup, bench: &Bench) -> anyhow::Result<()> {
    let migrations = setup
        .on_stage(bench, async |stage| {
            let client = bench.servers.connect(stage.place.database()).await?;
            Ok(client.query_one(MIGRATIONS, &[]).await?.get::<_, String>(0))
        })
        .await?;
    let comment =
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1";
    let client = bench.servers.connect("postgres").await?;
    let found = client.query_opt(comment, &[&name]).await?;
    let made_of: Option<String> = found.and_then(|row| row.get(0));
    if made_of.as_deref() == Some(&*migrations) {
        return Ok(());
    }
    let since = Instant::now();
    client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
    let kept = Setup { database: Database::Kept(name), ..setup.clone() };
    kept.on_stage(bench, async |_| Ok(())).await?;
    fill(name, bench).await?;
    // Written last: a half-made one is never taken for a whole.
    client.batch_execute(&format!("COMMENT ON DATABASE {name} IS '{migrations}'")).await?;
    eprintln!("  {name} made in {:.0} s", since.elapsed().as_secs_f64());
    Ok(())
}

async fn fill(name: &str, bench: &Bench) -> anyhow::Result<()> {
    let client = bench.servers.connect(name).await?;
    let statements = match name {
        GROWN => {
            // Over the days that a key is kept, less one.
            let rows = filling(1_000_000, "interval '20 days' * random()");
            let portions = vec![format!("{rows}; {GROW}"); 10].join(";");
            format!("{DROP_INDEXES}; {portions}; {MAKE_INDEXES}")
        }
        EXPIRED => format!("{}; {GROW}", filling(1_000_000, "interval '60 days'")),
        _ => SET_TIMERS.to_owned(),
    };
    for statement in statements.split(';') {
        client.batch_execute(statement).await?;
    }
    client.batch_execute("VACUUM ANALYZE").await?;
    Ok(())
}
