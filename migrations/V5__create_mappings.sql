-- Which identifiers of the partner's stand for Docplanner's. Identifiers only: no names, nothing of patients.
CREATE TABLE mappings (
    tenant        text        NOT NULL,
    kind          text        NOT NULL CHECK (kind IN ('facility', 'doctor', 'address', 'service')),
    -- Of services only: the same service has an identifier of its own at each address.
    address_id    text        NOT NULL DEFAULT '',
    docplanner_id text        NOT NULL,
    partner_id    text        NOT NULL,
    -- Of services only, for online_detection = "service".
    online        boolean,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant, kind, address_id, docplanner_id)
);

-- What running pods ask for every second: which tenants' mappings have changed since. Whoever writes `mappings`
-- gives its tenant the next version in the same transaction, with this table locked, so that versions
-- become visible in their order. Rows are never deleted: the highest version must not fall.
CREATE TABLE mapping_versions (
    tenant  text   PRIMARY KEY,
    version bigint NOT NULL
);

CREATE INDEX mapping_versions_version ON mapping_versions (version);
