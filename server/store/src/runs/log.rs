//! The sentences of a run's log.

use jiff::Timestamp;
use retort_spec::LogLevel;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use crate::{
    Result, Store,
    db::row::{containing, count, parsed, time_text, to_word, word},
};

/// One sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Timestamp,
    /// By which attempt.
    pub attempt: u32,
    /// How much it matters.
    pub level: LogLevel,
    /// The sentence.
    pub message: String,
}

impl Store {
    /// The last `limit` lines of a run's log, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn log_end(&self, run: i64, limit: u32) -> Result<Vec<LogLine>> {
        self.log_with(run, &[], limit).await
    }

    /// The last `limit` lines of a run's log that have all of these words, in any case, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn log_with(&self, run: i64, words: &[&str], limit: u32) -> Result<Vec<LogLine>> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM log_lines WHERE run = ");
        query.push_bind(run);
        having(&mut query, words);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        let rows = query.build().fetch_all(self.readers()).await?;
        let lines = rows.iter().rev().map(|row| {
            let (attempt, level) = (count(row, "attempt")?, word(row, "level")?);
            Ok(LogLine { at: parsed(row, "at")?, attempt, level, message: row.try_get("message")? })
        });
        lines.collect()
    }

    /// How many lines of a run's log have all of these words.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn count_log_with(&self, run: i64, words: &[&str]) -> Result<usize> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT count(*) AS lines FROM log_lines WHERE run = ");
        query.push_bind(run);
        having(&mut query, words);
        Ok(count(&query.build().fetch_one(self.readers()).await?, "lines")?)
    }

    /// Adds a sentence of the server's own to a run's log.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn log(&self, run: i64, attempt: u32, level: LogLevel, message: &str) -> Result<()> {
        let mut tx = self.write().await?;
        let line = LogLine { at: Timestamp::now(), attempt, level, message: message.to_owned() };
        keep(&mut tx, run, &line).await?;
        tx.commit().await?;
        Ok(())
    }
}

fn having(query: &mut QueryBuilder<Sqlite>, words: &[&str]) {
    for word in words {
        query.push(" AND message LIKE ").push_bind(containing(word)).push(" ESCAPE '\\'");
    }
}

/// Longest sentence that is kept, in bytes; a worker that prints without end must not fill the database.
const LONGEST: usize = 8_000;

pub(crate) async fn keep(tx: &mut SqliteConnection, run: i64, line: &LogLine) -> Result<()> {
    let LogLine { at, attempt, level, message } = line;
    let end = message.floor_char_boundary(LONGEST);
    let insert = sqlx::query("INSERT INTO log_lines (run, at, attempt, level, message) VALUES (?, ?, ?, ?, ?)");
    let insert = insert.bind(run).bind(time_text(*at)).bind(attempt).bind(to_word(level)).bind(&message[..end]);
    insert.execute(tx).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestStore;

    #[tokio::test]
    async fn the_end_of_a_log_is_its_last_lines_in_order() {
        let test = TestStore::new().await;
        test.demo().await;
        for i in 0..5 {
            test.store.log(1, 1, LogLevel::Info, &format!("line {i}")).await.unwrap();
        }
        let end: Vec<_> = test.store.log_end(1, 2).await.unwrap().into_iter().map(|l| l.message).collect();
        assert_eq!(end, ["line 3", "line 4"]);
    }

    #[tokio::test]
    async fn a_log_is_searched_by_all_words_as_they_are_written() {
        let test = TestStore::new().await;
        test.demo().await;
        for message in ["epoch 1 of 2: loss 0.5", "Epoch 2 of 2: loss 0.4", "50 % are done"] {
            test.store.log(1, 1, LogLevel::Info, message).await.unwrap();
        }
        for (words, lines) in [(&["epoch", "loss"][..], 2), (&["EPOCH 2"], 1), (&["%"], 1), (&["_"], 0), (&[], 3)] {
            assert_eq!(test.store.log_with(1, words, 9).await.unwrap().len(), lines, "{words:?}");
            assert_eq!(test.store.count_log_with(1, words).await.unwrap(), lines, "{words:?}");
        }
    }

    #[tokio::test]
    async fn an_endless_line_is_cut_between_two_characters() {
        let test = TestStore::new().await;
        test.demo().await;
        test.store.log(1, 1, LogLevel::Warning, &"ε".repeat(LONGEST)).await.unwrap();
        let line = test.store.log_end(1, 1).await.unwrap().remove(0);
        assert_eq!((line.message.len(), line.level), (LONGEST, LogLevel::Warning));
    }
}
