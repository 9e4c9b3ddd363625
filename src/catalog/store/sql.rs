//! Every statement on the catalog. `$1` is always the tenant; where a walk writes, `$2` is its number.

/// One walk of a tenant at a time. Ends with the session.
pub(super) const LOCK: &str =
    "SELECT pg_try_advisory_lock(hashtextextended('docplanner-worker catalog ' || $1::text, 0))";

pub(super) const UNFINISHED: &str = "
    SELECT walk, started_at FROM catalog_walks WHERE tenant = $1 AND completed_walk <> walk";

pub(super) const BEGIN: &str = "
    INSERT INTO catalog_walks (tenant, walk, started_at) VALUES ($1, 1, $2)
    ON CONFLICT (tenant) DO UPDATE
        SET walk = catalog_walks.walk + 1, started_at = excluded.started_at
    RETURNING walk";

pub(super) const DONE: &str = "
    SELECT (SELECT (dictionary_listed = $2)::int + (facilities_listed = $2)::int
            FROM catalog_walks WHERE tenant = $1)
         + (SELECT count(*) FROM catalog_facilities WHERE tenant = $1 AND listed = $2)
         + (SELECT count(*) FROM catalog_doctors WHERE tenant = $1 AND listed = $2)
         + (SELECT count(*) FROM catalog_addresses WHERE tenant = $1 AND listed = $2)";

/// Facilities last: the walk takes from the end, and a wrong list of facilities should stop it
/// before anything else is asked.
pub(super) const LEFT: &str = "
    SELECT what, facility, doctor, address FROM (
        SELECT 1 AS turn, 'services' AS what, facility_id AS facility, doctor_id AS doctor,
               address_id AS address
        FROM catalog_addresses WHERE tenant = $1 AND seen = $2 AND listed <> $2
        UNION ALL
        SELECT 2, 'addresses', facility_id, doctor_id, ''
        FROM catalog_doctors WHERE tenant = $1 AND seen = $2 AND listed <> $2
        UNION ALL
        SELECT 3, 'doctors', facility_id, '', ''
        FROM catalog_facilities WHERE tenant = $1 AND seen = $2 AND listed <> $2
        UNION ALL
        SELECT 4, 'dictionary', '', '', ''
        FROM catalog_walks WHERE tenant = $1 AND dictionary_listed <> $2
        UNION ALL
        SELECT 5, 'facilities', '', '', ''
        FROM catalog_walks WHERE tenant = $1 AND facilities_listed <> $2
    ) AS steps ORDER BY turn, facility, doctor, address";

pub(super) const SAVE_DICTIONARY: &str = "
    UPDATE catalog_walks SET dictionary_listed = $2, online_consultation = $3 WHERE tenant = $1";

pub(super) const SKIP_DICTIONARY: &str =
    "UPDATE catalog_walks SET dictionary_listed = $2 WHERE tenant = $1";

pub(super) const FACILITIES_LISTED: &str =
    "UPDATE catalog_walks SET facilities_listed = $2 WHERE tenant = $1";

pub(super) const FACILITY_LISTED: &str =
    "UPDATE catalog_facilities SET listed = $2 WHERE tenant = $1 AND facility_id = $3";

pub(super) const DOCTOR_LISTED: &str = "
    UPDATE catalog_doctors SET listed = $2
    WHERE tenant = $1 AND facility_id = $3 AND doctor_id = $4";

pub(super) const ADDRESS_LISTED: &str =
    "UPDATE catalog_addresses SET listed = $2 WHERE tenant = $1 AND address_id = $3";

// DISTINCT in all of them: one statement cannot write a row twice, and a list may repeat an id.

pub(super) const SAVE_FACILITIES: &str = "
    INSERT INTO catalog_facilities (tenant, facility_id, seen, seen_at)
    SELECT DISTINCT $1::text, id, $2::int, $3::timestamptz FROM unnest($4::text[]) AS id
    ON CONFLICT (tenant, facility_id) DO UPDATE
        SET seen = excluded.seen, seen_at = excluded.seen_at, gone_at = NULL";

pub(super) const SAVE_DOCTORS: &str = "
    INSERT INTO catalog_doctors (tenant, facility_id, doctor_id, seen, seen_at)
    SELECT DISTINCT $1::text, $4::text, id, $2::int, $3::timestamptz FROM unnest($5::text[]) AS id
    ON CONFLICT (tenant, facility_id, doctor_id) DO UPDATE
        SET seen = excluded.seen, seen_at = excluded.seen_at, gone_at = NULL";

pub(super) const SAVE_ADDRESSES: &str = "
    INSERT INTO catalog_addresses
        (tenant, address_id, facility_id, doctor_id, online_only, visit_payment, seen, seen_at)
    SELECT DISTINCT ON (id) $1::text, id, $4::text, $5::text, online, payment, $2::int,
           $3::timestamptz
    FROM unnest($6::text[], $7::boolean[], $8::boolean[]) AS list (id, online, payment)
    ON CONFLICT (tenant, address_id) DO UPDATE
        SET facility_id = excluded.facility_id, doctor_id = excluded.doctor_id,
            online_only = excluded.online_only, visit_payment = excluded.visit_payment,
            seen = excluded.seen, seen_at = excluded.seen_at, gone_at = NULL";

pub(super) const SAVE_SERVICES: &str = "
    INSERT INTO catalog_services
        (tenant, address_id, service_id, name, dictionary_id, seen, seen_at)
    SELECT DISTINCT ON (id) $1::text, $4::text, id, name, entry, $2::int, $3::timestamptz
    FROM unnest($5::text[], $6::text[], $7::text[]) AS list (id, name, entry)
    ON CONFLICT (tenant, address_id, service_id) DO UPDATE
        SET name = excluded.name, dictionary_id = excluded.dictionary_id,
            seen = excluded.seen, seen_at = excluded.seen_at, gone_at = NULL";

pub(super) const FORGET_FACILITY: &str =
    "UPDATE catalog_facilities SET seen = 0 WHERE tenant = $1 AND facility_id = $2";

pub(super) const FORGET_DOCTOR: &str = "
    UPDATE catalog_doctors SET seen = 0
    WHERE tenant = $1 AND facility_id = $2 AND doctor_id = $3";

pub(super) const FORGET_ADDRESS: &str =
    "UPDATE catalog_addresses SET seen = 0 WHERE tenant = $1 AND address_id = $2";

/// The tables of what exists, in the order of a walk.
pub(super) const TABLES: [&str; 4] =
    ["catalog_facilities", "catalog_doctors", "catalog_addresses", "catalog_services"];

pub(super) fn gone(table: &str) -> String {
    format!("UPDATE {table} SET gone_at = $3 WHERE tenant = $1 AND seen <> $2 AND gone_at IS NULL")
}

pub(super) fn count(table: &str) -> String {
    format!(
        "SELECT count(*) FILTER (WHERE seen = $2) AS exist,
                count(*) FILTER (WHERE gone_at = $3) AS gone
         FROM {table} WHERE tenant = $1"
    )
}

pub(super) const COMPLETE: &str = "
    UPDATE catalog_walks SET completed_walk = $2, completed_at = $3 WHERE tenant = $1";

pub(super) const STATE: &str = "
    SELECT completed_at, completed_walk <> walk AS is_unfinished, online_consultation
    FROM catalog_walks WHERE tenant = $1";

// Ids are numbers in text: the shorter one is the smaller one.

pub(super) const FACILITIES: &str = "
    SELECT facility_id, gone_at FROM catalog_facilities WHERE tenant = $1
    ORDER BY length(facility_id), facility_id";

pub(super) const DOCTORS: &str = "
    SELECT facility_id, doctor_id, gone_at FROM catalog_doctors WHERE tenant = $1
    ORDER BY length(facility_id), facility_id, length(doctor_id), doctor_id";

pub(super) const ADDRESSES: &str = "
    SELECT address_id, facility_id, doctor_id, online_only, visit_payment, gone_at
    FROM catalog_addresses WHERE tenant = $1
    ORDER BY length(address_id), address_id";

pub(super) const SERVICES: &str = "
    SELECT address_id, service_id, name, dictionary_id, gone_at
    FROM catalog_services WHERE tenant = $1
    ORDER BY length(address_id), address_id, length(service_id), service_id";

pub(super) const MAPPINGS: &str = "
    SELECT kind, address_id, docplanner_id, partner_id, online FROM mappings WHERE tenant = $1
    ORDER BY kind, length(address_id), address_id, length(docplanner_id), docplanner_id";
