-- The catalog: what exists at Docplanner, as `mapping sync` last saw it. Ids, flags and names of services; no
-- name of a person, nor of a place, because a practice is often named after its doctor.

-- One row for each tenant that was ever walked.
CREATE TABLE catalog_walks (
    tenant              text        PRIMARY KEY,
    -- Grows by one with each walk that begins anew.
    walk                integer     NOT NULL,
    started_at          timestamptz NOT NULL,
    -- The last walk that listed the facilities, and the last one that read the dictionary of services.
    facilities_listed   integer     NOT NULL DEFAULT 0,
    dictionary_listed   integer     NOT NULL DEFAULT 0,
    -- The dictionary's entries that mean an online consultation.
    online_consultation text[]      NOT NULL DEFAULT '{}',
    -- The last walk that reached its end; while it is not `walk`, that one is under way or was interrupted.
    completed_walk      integer     NOT NULL DEFAULT 0,
    completed_at        timestamptz
);

-- In all tables below: `seen` is the last walk that saw the row (0: that walk was refused it), `listed` the last one
-- that listed what is under it. So what an interrupted walk has left to ask is a query: seen, and not listed.
CREATE TABLE catalog_facilities (
    tenant      text        NOT NULL,
    facility_id text        NOT NULL,
    seen        integer     NOT NULL,
    listed      integer     NOT NULL DEFAULT 0,
    seen_at     timestamptz NOT NULL,
    -- Noticed at the end of a complete walk.
    gone_at     timestamptz,
    PRIMARY KEY (tenant, facility_id)
);

CREATE TABLE catalog_doctors (
    tenant      text        NOT NULL,
    facility_id text        NOT NULL,
    doctor_id   text        NOT NULL,
    seen        integer     NOT NULL,
    listed      integer     NOT NULL DEFAULT 0,
    seen_at     timestamptz NOT NULL,
    gone_at     timestamptz,
    PRIMARY KEY (tenant, facility_id, doctor_id)
);

CREATE TABLE catalog_addresses (
    tenant        text        NOT NULL,
    address_id    text        NOT NULL,
    facility_id   text        NOT NULL,
    doctor_id     text        NOT NULL,
    -- Null where the API does not tell.
    online_only   boolean,
    visit_payment boolean,
    seen          integer     NOT NULL,
    listed        integer     NOT NULL DEFAULT 0,
    seen_at       timestamptz NOT NULL,
    gone_at       timestamptz,
    PRIMARY KEY (tenant, address_id)
);

CREATE TABLE catalog_services (
    tenant        text        NOT NULL,
    address_id    text        NOT NULL,
    -- Valid at its own address only.
    service_id    text        NOT NULL,
    name          text        NOT NULL,
    dictionary_id text,
    seen          integer     NOT NULL,
    seen_at       timestamptz NOT NULL,
    gone_at       timestamptz,
    PRIMARY KEY (tenant, address_id, service_id)
);
