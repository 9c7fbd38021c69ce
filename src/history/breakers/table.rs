//! The table of changes.

use redb::{ReadTransaction, Table, TableDefinition};

use super::super::Error;
use super::{BreakerQuery, Entries, MAX_CHANGES, codec};

/// Changes in the order of time.
pub(in crate::history) const TABLE: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("breakers");

/// What a row costs beside its value.
const ROW_BYTES: u64 = 32;

/// Writes changes, and returns how many bytes they count for.
pub(in crate::history) fn insert(
    table: &mut Table<'_, (u64, u64), &[u8]>,
    entries: &Entries,
) -> Result<u64, Error> {
    let mut added = 0;
    for (stamp, entry) in entries {
        let value = codec::encode(entry);
        added += row_bytes(&value);
        if let Some(replaced) = table.insert(*stamp, value.as_slice())? {
            added = added.saturating_sub(row_bytes(replaced.value()));
        }
    }
    Ok(added)
}

/// Drops the oldest change, and returns how many bytes it counted for.
pub(in crate::history) fn pop_oldest(table: &mut Table<'_, (u64, u64), &[u8]>) -> Result<u64, Error> {
    Ok(table.pop_first()?.map_or(0, |(_, value)| row_bytes(value.value())))
}

/// The newest of the changes that a query asks for: as many as an answer has, and one more if there is one. What a
/// later version of this program wrote is left out.
pub(in crate::history) fn read(
    transaction: &ReadTransaction,
    query: &BreakerQuery,
) -> Result<Entries, Error> {
    let mut found = Entries::new();
    // Nobody wrote since this version of the program is the one that runs.
    let table = match transaction.open_table(TABLE) {
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(found),
        table => table?,
    };
    let (from, to) = (query.from.saturating_mul(1000), query.to.saturating_mul(1000));
    for row in table.range((from, 0)..(to, 0))?.rev() {
        let (key, value) = row?;
        let entry = codec::decode(value.value()).and_then(|entry| query.pick(key.value(), entry));
        if let Some(entry) = entry {
            found.insert(key.value(), entry);
        }
        if found.len() > MAX_CHANGES {
            break;
        }
    }
    Ok(found)
}

const fn row_bytes(value: &[u8]) -> u64 {
    value.len() as u64 + ROW_BYTES
}
