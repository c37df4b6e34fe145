//! Datasets that arrive by the browser: uploaded, or fetched from a mirror.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use support::{Server, archive_of_images, wait_for};

const PATIENCE: Duration = Duration::from_mins(1);

/// Uploads a file through the form of the Datasets page; returns the status, where it leads, and the page.
fn upload(server: &Server, name: &str, file_name: &str, file: &[u8]) -> (u16, String, String) {
    let start = "--b\r\nContent-Disposition: form-data; name";
    let mut body = format!("{start}=\"name\"\r\n\r\n{name}\r\n").into_bytes();
    body.extend(format!("{start}=\"file\"; filename=\"{file_name}\"\r\n\r\n").bytes());
    body.extend(file);
    body.extend(b"\r\n--b--\r\n");
    let agent: ureq::Agent = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false).build().into();
    let request = agent.post(format!("{}/datasets", server.link)).content_type("multipart/form-data; boundary=b");
    let mut answer = request.send(&body).unwrap();
    let to = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), to, answer.body_mut().read_to_string().unwrap())
}

fn entries(dir: &Path) -> Vec<String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a page says once it says one of these.
fn page_with(server: &Server, path: &str, words: &str) -> String {
    wait_for(words, PATIENCE, || Some(server.get(path)).filter(|page| page.contains(words)))
}

#[test]
fn an_uploaded_archive_becomes_a_dataset_with_a_page_that_experiments_can_choose() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    let (status, to, _) = upload(&server, "", "My Pets.tar", &archive_of_images());
    assert_eq!((status, to.as_str()), (303, "/datasets/my-pets"));
    let page = page_with(&server, "/datasets/my-pets", "What it is");
    for words in ["/datasets/my-pets/samples.png", "What the import did", "<b>My Pets.tar</b>", "train/README.txt"] {
        assert!(page.contains(words), "{words} is missing in {page}");
    }
    assert!(server.get("/experiments/new").contains("<option value=\"my-pets\""));
    let (status, _, page) = upload(&server, "my-pets", "again.tar", &archive_of_images());
    assert!(status == 422 && page.contains("There is a dataset my-pets already"), "{page}");
    assert_eq!(entries(&root.path().join("datasets")), ["my-pets"]);
    assert!(entries(&root.path().join("uploads")).is_empty());
}

#[test]
fn an_upload_that_holds_no_dataset_says_why_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path());
    let (status, to, _) = upload(&server, "pets", "Shopping <list>.zip", b"milk, bread");
    assert_eq!((status, to.as_str()), (303, "/datasets/pets"));
    let page = page_with(&server, "/datasets/pets", "It was not imported:");
    assert!(page.contains("Shopping &#60;list&#62;.zip") && !page.contains("uploads"), "{page}");
    assert!(entries(&root.path().join("datasets")).is_empty() && entries(&root.path().join("uploads")).is_empty());
    server.post("/datasets/pets/cancel", &[]);
    assert!(!server.get("/datasets").contains("It was not imported"));
}

/// A mirror that tells the byte which each request begins at, and sends so many bytes before it falls silent, or ends.
fn mirror(sends: usize, ends: bool) -> (String, mpsc::Receiver<u64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/mirror", listener.local_addr().unwrap());
    let (tell, asked) = mpsc::channel();
    thread::spawn(move || {
        let mut silent: Vec<TcpStream> = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<_> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            assert!(head[0].starts_with("GET /mirror/cifar-10-binary.tar.gz "), "{head:?}");
            let mut lower = head.iter().map(|line| line.to_lowercase());
            let range = lower.find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
            let from: u64 = range.unwrap_or_default();
            let size = 170_052_171;
            let status = if from == 0 { "200 OK" } else { "206 Partial Content" };
            let length = size - from;
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Range: bytes {from}-{}/{size}\r\n\r\n",
                size - 1
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&vec![7; sends]).unwrap();
            if !ends {
                silent.push(stream);
            }
            let _ = tell.send(from);
        }
    });
    (address, asked)
}

#[test]
fn a_fetch_that_breaks_off_says_why_and_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().unwrap();
    let (address, asked) = mirror(3_000_000, true);
    let server = Server::start_with(root.path(), &["--mirror", &address]);
    assert_eq!(server.post("/datasets/cifar10/fetch", &[]), "/datasets");
    assert_eq!(asked.recv_timeout(PATIENCE), Ok(0));
    let page = page_with(&server, "/datasets", "It was not fetched:");
    assert!(page.contains("stopped after 3000000 of 170052171 bytes"), "{page}");
    assert!(page.contains("3.0 MB of 170 MB are here already"), "{page}");
    server.post("/datasets/cifar10/fetch", &[]);
    assert_eq!(asked.recv_timeout(PATIENCE), Ok(3_000_000));
    page_with(&server, "/datasets", "stopped after 6000000 of 170052171 bytes");
}

#[test]
fn a_fetch_tells_how_far_it_is_and_a_cancelled_one_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (address, _asked) = mirror(3_000_000, false);
    let server = Server::start_with(root.path(), &["--mirror", &address]);
    server.post("/datasets/cifar10/fetch", &[]);
    page_with(&server, "/datasets", "Downloading: 3.0 MB of 170 MB");
    page_with(&server, "/datasets/cifar10", "Downloading: 3.0 MB of 170 MB");
    server.post("/datasets/cifar10/cancel", &[]);
    assert!(entries(&root.path().join("datasets")).is_empty());
    assert!(!server.get("/datasets").contains("Downloading"));
}

#[test]
fn a_fetch_ends_with_its_server_and_the_next_one_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let (address, asked) = mirror(3_000_000, false);
    let mut server = Server::start_with(root.path(), &["--mirror", &address]);
    server.post("/datasets/cifar10/fetch", &[]);
    page_with(&server, "/datasets", "Downloading: 3.0 MB of 170 MB");
    server.kill();
    drop(server);
    let part = fs::File::open(root.path().join("datasets/cifar10.tar.gz.part")).unwrap();
    wait_for("the process to let go of the file", PATIENCE, || part.try_lock().ok());
    drop(part);
    let server = Server::start_with(root.path(), &["--mirror", &address]);
    assert!(server.get("/datasets").contains("3.0 MB of 170 MB are here already"));
    server.post("/datasets/cifar10/fetch", &[]);
    assert_eq!([0; 2].map(|_| asked.recv_timeout(PATIENCE).unwrap()), [0, 3_000_000]);
}
