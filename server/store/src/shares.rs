//! Shares: links to frozen copies.

use jiff::Timestamp;
use sqlx::{FromRow, Row, sqlite::SqliteRow};

use crate::{
    Result, Store, StoreError,
    db::ledger,
    db::row::{parsed, parsed_option, time_text},
};

/// A share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its id.
    pub id: i64,
    /// The experiment that it was made of.
    pub experiment: i64,
    /// SHA-256 of its token, as base64url.
    pub token_hash: String,
    /// What its sender called it.
    pub title: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// When its sender ended it.
    pub revoked_at: Option<Timestamp>,
    /// When it was opened last.
    pub last_opened_at: Option<Timestamp>,
}

impl Share {
    /// Whether its link still opens it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

impl FromRow<'_, SqliteRow> for Share {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        Ok(Self {
            id: row.try_get("id")?,
            experiment: row.try_get("experiment")?,
            token_hash: row.try_get("token_hash")?,
            title: row.try_get("title")?,
            created_at: parsed(row, "created_at")?,
            expires_at: parsed_option(row, "expires_at")?,
            revoked_at: parsed_option(row, "revoked_at")?,
            last_opened_at: parsed_option(row, "last_opened_at")?,
        })
    }
}

impl Store {
    /// Keeps a share; returns its id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create_share(
        &self,
        experiment: i64,
        token_hash: &str,
        title: &str,
        expires_at: Option<Timestamp>,
    ) -> Result<i64> {
        let mut tx = self.write().await?;
        let insert = sqlx::query(
            "INSERT INTO shares (experiment, token_hash, title, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        );
        let insert = insert.bind(experiment).bind(token_hash).bind(title).bind(time_text(Timestamp::now()));
        let id = insert.bind(expires_at.map(time_text)).execute(&mut *tx).await?.last_insert_rowid();
        ledger::note(&mut tx, self.path(), "shares", &[id]).await?;
        tx.commit().await?;
        Ok(id)
    }

    /// The share whose token has this hash.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn share_by_hash(&self, token_hash: &str) -> Result<Option<Share>> {
        let find = sqlx::query_as("SELECT * FROM shares WHERE token_hash = ?");
        Ok(find.bind(token_hash).fetch_optional(self.readers()).await?)
    }

    /// The shares of an experiment: those that are open, then the others, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn shares_of_experiment(&self, experiment: i64, limit: u32) -> Result<Vec<Share>> {
        let latest = sqlx::query_as(
            "SELECT * FROM shares WHERE experiment = ?1
             ORDER BY revoked_at IS NULL AND coalesce(expires_at > ?2, 1) DESC, id DESC LIMIT ?3",
        );
        let latest = latest.bind(experiment).bind(time_text(Timestamp::now()));
        Ok(latest.bind(limit).fetch_all(self.readers()).await?)
    }

    /// The shares whose links still open them.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn open_shares(&self, now: Timestamp) -> Result<Vec<Share>> {
        let open =
            sqlx::query_as("SELECT * FROM shares WHERE revoked_at IS NULL AND coalesce(expires_at > ?, 1) ORDER BY id");
        Ok(open.bind(time_text(now)).fetch_all(self.readers()).await?)
    }

    /// The hashes of the tokens of shares that have ended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ended_shares(&self, now: Timestamp) -> Result<Vec<String>> {
        let ended = sqlx::query_scalar(
            "SELECT token_hash FROM shares WHERE revoked_at IS NOT NULL OR expires_at <= ? ORDER BY id",
        );
        Ok(ended.bind(time_text(now)).fetch_all(self.readers()).await?)
    }

    /// Notes that a share was opened.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn share_opened(&self, id: i64) -> Result<()> {
        let mut tx = self.write().await?;
        let note = sqlx::query("UPDATE shares SET last_opened_at = ? WHERE id = ?");
        note.bind(time_text(Timestamp::now())).bind(id).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends a share for good; returns it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none with this id.
    pub async fn revoke_share(&self, id: i64) -> Result<Share> {
        let mut tx = self.write().await?;
        let end = sqlx::query("UPDATE shares SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?");
        end.bind(time_text(Timestamp::now())).bind(id).execute(&mut *tx).await?;
        let share = sqlx::query_as("SELECT * FROM shares WHERE id = ?").bind(id).fetch_optional(&mut *tx).await?;
        ledger::note(&mut tx, self.path(), "shares", &[id]).await?;
        tx.commit().await?;
        share.ok_or(StoreError::NotFound { what: "share", id })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn a_share_is_found_by_its_hash_and_ends_when_it_is_revoked_or_its_time_is_over() {
        let test = TestStore::new().await;
        let store = &test.store;
        let now = Timestamp::now();
        let hour = jiff::SignedDuration::from_hours(1);
        let first = store.create_share(7, "aa", "For the group", Some(now + hour)).await.unwrap();
        store.create_share(7, "bb", "", None).await.unwrap();
        assert!(store.create_share(7, "aa", "again", None).await.is_err(), "no two shares have one token");
        let share = store.share_by_hash("aa").await.unwrap().unwrap();
        assert_eq!(
            (share.id, share.experiment, share.title.as_str(), share.last_opened_at),
            (first, 7, "For the group", None)
        );
        assert!(share.is_open(now) && !share.is_open(now + hour + hour));
        store.share_opened(first).await.unwrap();
        assert!(store.share_by_hash("aa").await.unwrap().unwrap().last_opened_at.is_some());
        assert_eq!(store.revoke_share(first).await.unwrap().experiment, 7);
        assert!(!store.share_by_hash("aa").await.unwrap().unwrap().is_open(now));
        let hashes: Vec<_> =
            store.shares_of_experiment(7, 9).await.unwrap().into_iter().map(|s| s.token_hash).collect();
        assert_eq!(hashes, ["bb", "aa"]);
        store.create_share(8, "dd", "", Some(now + hour)).await.unwrap();
        assert_eq!(store.ended_shares(now).await.unwrap(), ["aa"]);
        assert_eq!(store.ended_shares(now + hour).await.unwrap(), ["aa", "dd"]);
        assert!(store.share_by_hash("cc").await.unwrap().is_none());
        assert!(matches!(store.revoke_share(99).await, Err(StoreError::NotFound { .. })));
    }
}
