//! Downloads a file whose size and checksum are known, and goes on where an earlier attempt stopped.

use std::{
    borrow::Cow,
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
    time::Duration,
};

use md5::Md5;
use sha2::{Digest, Sha256};

use super::{
    progress::{Progress, Watch},
    stored::hex,
};
use crate::{EngineError, Result};

/// A server that says nothing for so long is taken for gone.
const SILENCE: Duration = Duration::from_mins(1);

/// What the content of a file must be, in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Checksum {
    /// For files whose makers publish nothing better. It tells a damaged file, not one that was forged with effort.
    Md5(Cow<'static, str>),
    Sha256(Cow<'static, str>),
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Md5(digits) => write!(f, "MD5 {digits}"),
            Self::Sha256(digits) => write!(f, "SHA-256 {digits}"),
        }
    }
}

/// Downloads `url` into the file `part` until it has `size` bytes with the checksum `expected`.
///
/// When the connection breaks, the file keeps what came, and the next call goes on from there.
///
/// # Errors
/// When the server cannot be reached, refuses or stops, or `watch` breaks off; or when what came is not the expected
/// file, which is then removed.
pub(super) fn download(url: &str, part: &Path, size: u64, expected: &Checksum, watch: &mut Watch<'_>) -> Result<()> {
    let io = |e| EngineError::io(part, e);
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(part).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(EngineError::Data(format!("{} is being downloaded already: wait for that", part.display())));
        }
        Err(TryLockError::Error(e)) => return Err(io(e)),
    }
    if file.metadata().map_err(io)?.len() > size {
        file.set_len(0).map_err(io)?;
    }
    if file.metadata().map_err(io)?.len() < size {
        transfer(url, &mut file, size, watch)?;
    }
    file.sync_all().and_then(|()| file.rewind()).map_err(io)?;
    let found = match expected {
        Checksum::Md5(_) => Checksum::Md5(digest::<Md5>(&mut file, part, size, watch)?.into()),
        Checksum::Sha256(_) => Checksum::Sha256(digest::<Sha256>(&mut file, part, size, watch)?.into()),
    };
    if found != *expected {
        fs::remove_file(part).map_err(io)?;
        return Err(EngineError::Data(format!(
            "{url}: the downloaded file has the {found}, not the {expected}; it was removed, so try again or name \
             another address"
        )));
    }
    Ok(())
}

/// Appends what is missing of `url` to `file`.
fn transfer(url: &str, file: &mut File, size: u64, watch: &mut Watch<'_>) -> Result<()> {
    let refuse = |fault: String| EngineError::Data(format!("{url}: {fault}"));
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(SILENCE))
        .timeout_recv_response(Some(SILENCE))
        .timeout_per_read(Some(SILENCE))
        .user_agent(concat!("retort/", env!("CARGO_PKG_VERSION")))
        .build()
        .into();
    let mut done = file.seek(SeekFrom::End(0)).map_err(|e| refuse(e.to_string()))?;
    let mut request = agent.get(url);
    if done > 0 {
        request = request.header("Range", format!("bytes={done}-"));
    }
    let response =
        request.call().map_err(|e| refuse(format!("cannot be reached ({e}): check the network, or name a mirror")))?;
    match response.status().as_u16() {
        206 if range_start(&response) == Some(done) => {}
        200 => {
            // The whole file comes: the server does not know how to go on in the middle.
            file.set_len(0).and_then(|()| file.rewind()).map_err(|e| refuse(e.to_string()))?;
            done = 0;
        }
        status => {
            let fault = format!("the server answered with status {status}: check the address, or name a mirror");
            return Err(refuse(fault));
        }
    }
    let stopped = |done: u64, why: &str| {
        refuse(format!(
            "the download stopped after {done} of {size} bytes ({why}); start it again and it goes on from there"
        ))
    };
    let mut body = response.into_body().into_reader();
    let mut buffer = vec![0; 1 << 16];
    while done < size {
        Progress::bytes("downloading", done, size).tell(watch)?;
        let n = match body.read(&mut buffer) {
            Ok(0) => return Err(stopped(done, "the server closed the connection")),
            Ok(n) => n.min((size - done) as usize),
            Err(e) => return Err(stopped(done, &e.to_string())),
        };
        file.write_all(&buffer[..n]).map_err(|e| stopped(done, &e.to_string()))?;
        done += n as u64;
    }
    Progress::bytes("downloading", done, size).tell(watch)
}

/// The first byte of a partial answer: 500 for `Content-Range: bytes 500-999/1000`.
fn range_start(response: &ureq::http::Response<ureq::Body>) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// The digest of a file from where it stands, in hexadecimal digits.
fn digest<D: Digest>(file: &mut File, path: &Path, size: u64, watch: &mut Watch<'_>) -> Result<String> {
    let (mut hash, mut done) = (D::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = file.read(&mut buffer).map_err(|e| EngineError::io(path, e))?;
        if n == 0 {
            return Ok(hex(&hash.finalize()));
        }
        hash.update(&buffer[..n]);
        done += n as u64;
        Progress::bytes("verifying", done, size).tell(watch)?;
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::data::testing::{Reply, go_on, serve};

    fn body() -> Vec<u8> {
        (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    fn attempt(url: &str, part: &Path) -> Result<()> {
        let body = body();
        let expected = Checksum::Sha256(hex(&Sha256::digest(&body)).into());
        download(url, part, body.len() as u64, &expected, &mut go_on)
    }

    #[test]
    fn an_interrupted_download_goes_on_where_it_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        let server = serve(body(), vec![Reply::CutAfter(300_000), Reply::Whole]);
        let message = attempt(&server.url, &part).unwrap_err().to_string();
        assert!(message.contains("stopped after 300000 of 800000 bytes"), "{message}");
        assert_eq!(fs::read(&part).unwrap(), body()[..300_000]);
        attempt(&server.url, &part).unwrap();
        assert_eq!(fs::read(&part).unwrap(), body());
        assert_eq!(server.ranges(), [None, Some(300_000)]);
    }

    #[test]
    fn a_server_that_cannot_go_on_in_the_middle_sends_the_whole_file_again() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        fs::write(&part, [9; 1_000]).unwrap();
        let server = serve(body(), vec![Reply::WholeWithoutRanges]);
        attempt(&server.url, &part).unwrap();
        assert_eq!(fs::read(&part).unwrap(), body());
        assert_eq!(server.ranges(), [Some(1_000)]);
    }

    #[test]
    fn a_file_with_another_checksum_is_refused_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        let mut altered = body();
        altered[700_000] ^= 1;
        let server = serve(altered.clone(), vec![Reply::Whole]);
        let message = attempt(&server.url, &part).unwrap_err().to_string();
        assert!(message.contains(&hex(&Sha256::digest(&altered))), "{message}");
        assert!(message.contains(&hex(&Sha256::digest(body()))), "{message}");
        assert!(!part.exists());
    }

    #[test]
    fn an_md5_is_checked_where_it_is_what_is_published() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        // The MD5 of “abc”, from RFC 1321.
        let expected = Checksum::Md5("900150983cd24fb0d6963f7d28e17f72".into());
        for (content, is_it) in [(b"abc", true), (b"abd", false)] {
            fs::write(&part, content).unwrap();
            let result = download("http://127.0.0.1:1/nobody-listens", &part, 3, &expected, &mut go_on);
            assert_eq!(result.is_ok(), is_it, "{result:?}");
            assert_eq!(part.exists(), is_it);
            assert!(is_it || result.unwrap_err().to_string().contains("not the MD5 900150983cd24fb0d6963f7d28e17f72"));
        }
    }

    #[test]
    fn a_cancelled_download_keeps_what_came() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        let server = serve(body(), vec![Reply::Whole]);
        let expected = Checksum::Sha256(String::new().into());
        let mut enough = |progress: Progress| {
            if progress.done > 100_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let result = download(&server.url, &part, body().len() as u64, &expected, &mut enough);
        assert!(matches!(result, Err(EngineError::Cancelled)), "{result:?}");
        let kept = fs::read(&part).unwrap();
        assert!(kept.len() > 100_000 && body().starts_with(&kept));
    }

    #[test]
    fn a_complete_file_is_not_asked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        fs::write(&part, body()).unwrap();
        attempt("http://127.0.0.1:1/nobody-listens", &part).unwrap();
    }

    #[test]
    fn a_status_other_than_success_is_told_and_keeps_what_came() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        fs::write(&part, &body()[..5]).unwrap();
        let server = serve(body(), vec![Reply::Status(404)]);
        assert!(attempt(&server.url, &part).unwrap_err().to_string().contains("status 404"));
        assert_eq!(fs::read(&part).unwrap(), body()[..5]);
    }

    #[test]
    fn a_second_download_of_the_same_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let part = dir.path().join("file.part");
        let held = File::create(&part).unwrap();
        held.lock().unwrap();
        assert!(attempt("http://127.0.0.1:1/", &part).unwrap_err().to_string().contains("downloaded already"));
    }
}
