//! The command line, as a newcomer meets it.

#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::{fs, net::TcpListener, path::Path};

use retort_spec::RunSpec;
use sqlx::Connection;
use support::{Server, failure, retort, success};

/// A spec of one epoch on few images.
fn tiny(method: &str) -> String {
    let text = success(retort().args(["spec", method, "--epochs", "1"]));
    text.replace("\"fashion-mnist-5k\"", "\"fashion-mnist-5k\", \"train_images\": 64, \"test_images\": 40")
}

#[test]
fn every_methods_spec_is_complete_and_valid() {
    for method in ["natural", "pgd-at", "kd", "ard", "gacd", "gacd+aft"] {
        let text = success(retort().args(["spec", method]));
        let RunSpec::Train(spec) = RunSpec::from_json(&text).unwrap() else { panic!("{method}: {text}") };
        assert_eq!(spec.method_name().id(), method);
        assert_eq!(spec.teacher.is_some(), !["natural", "pgd-at", "trades"].contains(&method), "{method}");
    }
}

#[test]
fn a_trained_model_is_evaluated_as_json_and_a_finished_run_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    let (spec, out) = (root.path().join("spec.json"), root.path().join("out"));
    fs::write(&spec, tiny("natural")).unwrap();
    success(retort().arg("run").arg(&spec).arg("--out").arg(&out));
    for file in ["spec.json", "journal.jsonl", "model.safetensors"] {
        assert!(out.join(file).exists(), "{file}");
    }
    let journal = fs::read(out.join("journal.jsonl")).unwrap();
    assert!(success(retort().arg("run").arg(&spec).arg("--out").arg(&out)).contains("finished"));
    assert_eq!(fs::read(out.join("journal.jsonl")).unwrap(), journal);

    let (model, outcomes) = (out.join("model.safetensors"), root.path().join("outcomes.safetensors"));
    let mut evaluate = retort();
    evaluate.args(["evaluate", "--dataset", "fashion-mnist-5k", "--attack", "fgsm,pgd-3", "--limit", "50", "--json"]);
    evaluate.arg("--surrogate").arg(&model).arg("--outcomes").arg(&outcomes);
    let result = success(evaluate.arg("--model").arg(&model));
    let result: serde_json::Value = serde_json::from_str(&result).unwrap();
    assert_eq!(result["n"], 50);
    let natural = result["natural"].as_f64().unwrap();
    let attacks = result["attacks"].as_array().unwrap();
    let ids: Vec<_> = attacks.iter().map(|attack| attack["attack"].as_str().unwrap()).collect();
    assert_eq!(ids, ["fgsm", "pgd-3", "transfer-20"]);
    let inside = |object: &serde_json::Value, name: &str| {
        let interval: Vec<_> =
            object[format!("{name}_interval")].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let value = object[name].as_f64().unwrap();
        assert!(interval[0] <= value && value <= interval[1] && value <= natural, "{object}");
    };
    inside(&result, "natural");
    for attack in attacks {
        inside(attack, "adversarial");
    }
    let outcomes = retort_engine::Outcomes::load(&outcomes).unwrap();
    assert_eq!((outcomes.labels.len(), outcomes.predictions.len()), (50, 4));
    let correct: usize = outcomes.by_class(0).iter().map(|class| class.correct).sum();
    assert!((correct as f64 * 2.0 - natural).abs() < 1e-9);
}

#[test]
fn presets_and_parameters_stand_in_the_spec_and_faults_are_told() {
    let spec = |args: &[&str]| success(retort().arg("spec").args(args));
    let kd: serde_json::Value = serde_json::from_str(&spec(&["kd", "--preset", "repdistiller"])).unwrap();
    assert_eq!((&kd["method"]["temperature"], &kd["schedule"]["epochs"]), (&4.0.into(), &240.into()));
    let set = ["gacd+aft", "--set", "method.anchor=student_only", "--set", "finetune.loss=trades", "--epochs", "3"];
    let gacd: serde_json::Value = serde_json::from_str(&spec(&set)).unwrap();
    assert_eq!((&gacd["method"]["anchor"], &gacd["finetune"]["loss"]), (&"student_only".into(), &"trades".into()));
    for (args, word) in [
        (["kd", "--preset", "mystery"], "repdistiller"),
        (["ard", "--set", "method.anchor=both"], "ARD has no parameter method.anchor"),
        (["ard", "--set", "method.temperature"], "PATH=VALUE"),
        (["mystery", "--seed", "1"], "or probe"),
        (["probe", "--seed", "1"], "--model"),
    ] {
        let output = retort().arg("spec").args(args).output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(word), "{args:?}: {message}");
    }
}

#[test]
fn models_are_analysed_into_figures_and_a_class_that_is_not_there_is_told() {
    let root = tempfile::tempdir().unwrap();
    let (spec, out) = (root.path().join("spec.json"), root.path().join("model"));
    fs::write(&spec, tiny("natural")).unwrap();
    success(retort().arg("run").arg(&spec).arg("--out").arg(&out));
    let model = |name: &str| format!("{name}={}", out.join("model.safetensors").display());
    let analyse = |kind: &str, args: &[&str], folder: &str| {
        let mut command = retort();
        command.args(["analyse", kind, "--test-images", "400", "--model", &model("A"), "--model", &model("B")]);
        command.args(args).arg("--out").arg(root.path().join(folder));
        command
    };
    let features = ["--attacked", "Bag", "--target", "Coat", "--images", "35"];
    let said = success(&mut analyse("features", &features, "features"));
    assert!(said.contains("figure.svg\nSilhouette of Bag and Coat: "), "{said}");
    let said = success(&mut analyse("correlation", &[], "correlation"));
    // One model is as near to itself as can be.
    assert!(said.contains("B differs from A by 0.0000 on average on natural images"), "{said}");
    let said = success(&mut analyse("gallery", &["--class", "Bag", "--class", "Coat", "--images", "3"], "gallery"));
    assert!(said.contains("figure.svg\nWrong answers to 3 images, natural → attacked: A "), "{said}");
    for file in [
        "features/analysis.json",
        "features/figure.pdf",
        "correlation/figure.png",
        "correlation/figure-signed.svg",
        "gallery/figure.pdf",
        "gallery/gallery.png",
    ] {
        assert!(root.path().join(file).is_file(), "{file}");
    }
    // What a crash took behind the end of a run is drawn by the same command.
    let drawing = root.path().join("correlation/figure.pdf");
    fs::remove_file(&drawing).unwrap();
    let said = success(&mut analyse("correlation", &[], "correlation"));
    assert!(said.contains("finished") && drawing.is_file(), "{said}");
    let said = failure(&mut analyse("gallery", &["--class", "Hat"], "hat"));
    assert!(said.contains("no class “Hat”: choose one of T-shirt/top"), "{said}");
    // A mistyped name does not keep its folder; what has finished does.
    success(&mut analyse("gallery", &["--class", "Bag", "--images", "1"], "hat"));
    let said = failure(&mut analyse("gallery", &["--class", "Coat", "--images", "1"], "hat"));
    assert!(said.contains("holds the run of another spec"), "{said}");
    let said = failure(&mut analyse("gallery", &["--model", "C=nowhere.safetensors"], "missing"));
    assert_eq!(said.matches("No such file").count(), 1, "{said}");
    let said = failure(&mut analyse("gallery", &["--model", "model.safetensors"], "name"));
    assert!(said.contains("NAME=FILE"), "{said}");
}

#[test]
fn samples_of_a_dataset_are_written_as_a_png() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = (root.path().join("data"), root.path().join("sheet.png"));
    let said =
        success(retort().args(["data", "samples", "fashion-mnist-5k", "--out"]).arg(&out).arg("--data").arg(&data));
    assert!(said.contains("Its rows are: T-shirt/top, Trouser"), "{said}");
    assert_eq!(image::open(&out).unwrap().to_rgba8().dimensions(), (338, 338));
    let said = failure(retort().args(["data", "samples", "zoo", "--out"]).arg(&out).arg("--data").arg(&data));
    assert!(said.contains("there is no dataset “zoo”"), "{said}");
}

#[test]
fn a_faulty_spec_is_refused_by_its_field_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (spec, out) = (root.path().join("spec.json"), root.path().join("out"));
    let good = tiny("pgd-at");
    for (wrong, word) in [
        (good.replace("\"pgd-at\"", "\"pdg-at\""), "pdg-at"),
        (good.replace("\"8/255\"", "\"8\""), "method.attack.eps"),
        (good.replace("\"augment\"", "\"augmet\""), "augmet"),
        ("not json".to_owned(), "retort spec"),
    ] {
        fs::write(&spec, wrong).unwrap();
        let message = failure(retort().arg("run").arg(&spec).arg("--out").arg(&out));
        assert!(message.contains(word) && message.contains("spec.json"), "{message}");
        assert!(!out.exists());
    }
    assert!(failure(retort().args(["spec", "dk"])).contains("gacd+aft"));
}

#[test]
fn a_truncated_model_and_one_that_is_missing_are_named() {
    let root = tempfile::tempdir().unwrap();
    let model = root.path().join("model.safetensors");
    let evaluate =
        |model: &Path| failure(retort().args(["evaluate", "--dataset", "fashion-mnist-5k"]).arg("--model").arg(model));
    assert!(evaluate(&model).contains("model.safetensors"));
    fs::write(&model, b"half a file").unwrap();
    assert!(evaluate(&model).contains("safetensors file"));
}

/// A dataset of 32×32 PNGs of one colour each: two classes, five images each to train on and to test on.
fn pets(dir: &Path) {
    for (split, class, shade) in [("train", "cat", 0), ("train", "dog", 100), ("test", "cat", 50), ("test", "dog", 150)]
    {
        let dir = dir.join(split).join(class);
        fs::create_dir_all(&dir).unwrap();
        for n in 0..5u8 {
            let colour = image::Rgb([shade + n, 255 - shade, 7]);
            image::RgbImage::from_pixel(32, 32, colour).save(dir.join(format!("{n}.png"))).unwrap();
        }
    }
}

#[test]
fn a_folder_of_images_is_imported_and_listed_once() {
    let root = tempfile::tempdir().unwrap();
    let (source, data) = (root.path().join("pets"), root.path().join("data"));
    pets(&source);
    success(retort().args(["data", "import", "--name", "pets"]).arg(&source).arg("--data").arg(&data));
    let list = success(retort().args(["data", "list", "--data"]).arg(&data));
    assert!(list.contains("pets") && list.contains("10 training and 10 test images of 2 classes"), "{list}");
    let again = failure(retort().args(["data", "import", "--name", "pets"]).arg(&source).arg("--data").arg(&data));
    assert!(again.contains("pets"), "{again}");
    std::fs::rename(&source, root.path().join("My Pets")).unwrap();
    success(retort().args(["data", "import", "My Pets", "--data"]).arg(&data).current_dir(root.path()));
    let list = success(retort().args(["data", "list", "--data"]).arg(&data));
    assert!(list.contains("my-pets"), "without a name it has that of the folder: {list}");
}

#[test]
fn what_a_killed_import_left_goes_with_the_next_one() {
    let root = tempfile::tempdir().unwrap();
    let (source, data) = (root.path().join("pets"), root.path().join("data"));
    pets(&source);
    // Linux gives no process a number above 4,194,304.
    let left = data.join("datasets/.birds.4194305.tmp");
    fs::create_dir_all(&left).unwrap();
    success(retort().args(["data", "import", "--name", "pets"]).arg(&source).arg("--data").arg(&data));
    assert!(!left.exists());
}

#[test]
fn a_model_is_trained_and_evaluated_on_a_folder_by_its_path() {
    let root = tempfile::tempdir().unwrap();
    let (source, spec, out) = (root.path().join("pets"), root.path().join("spec.json"), root.path().join("out"));
    pets(&source);
    fs::write(&spec, success(retort().args(["spec", "natural", "--epochs", "1", "--dataset"]).arg(&source))).unwrap();
    success(retort().arg("run").arg(&spec).arg("--out").arg(&out));
    let mut evaluate = retort();
    evaluate.args(["evaluate", "--attack", "fgsm", "--json", "--model"]).arg(out.join("model.safetensors"));
    let result: serde_json::Value = serde_json::from_str(&success(evaluate.arg("--dataset").arg(&source))).unwrap();
    assert_eq!((&result["n"], &result["attacks"][0]["attack"]), (&10.into(), &"fgsm".into()));
}

#[test]
fn a_damaged_dataset_is_refused_by_its_file_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (cifar, folder, data) = (root.path().join("cifar"), root.path().join("pets"), root.path().join("data"));
    let import = |source: &Path| {
        let message =
            failure(retort().args(["data", "import", "--name", "broken"]).arg(source).arg("--data").arg(&data));
        assert!(!data.join("datasets/broken").exists(), "it left something");
        message
    };
    fs::create_dir(&cifar).unwrap();
    fs::write(cifar.join("data_batch_1.bin"), [7; 3_000]).unwrap();
    let message = import(&cifar);
    assert!(message.contains("data_batch_1.bin") && message.contains("download it again"), "{message}");
    pets(&folder);
    fs::write(folder.join("test/dog/4.png"), "a text under an image's name").unwrap();
    let message = import(&folder);
    assert!(message.contains("dog") && message.contains("4.png"), "{message}");
    fs::remove_dir_all(folder.join("test/dog")).unwrap();
    assert!(import(&folder).contains("dog"));
}

#[test]
fn an_archive_that_climbs_out_of_its_folder_is_refused_and_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (archive, data) = (root.path().join("evil.tar"), root.path().join("data"));
    let mut header = [0u8; 512];
    header[..19].copy_from_slice(b"train/../../x/1.png");
    header[100..107].copy_from_slice(b"0000644");
    header[124..135].copy_from_slice(b"00000000000");
    header[156] = b'0';
    header[257..262].copy_from_slice(b"ustar");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fs::write(&archive, [&header[..], &[0; 1024]].concat()).unwrap();
    let message = failure(retort().args(["data", "import", "--name", "evil"]).arg(&archive).arg("--data").arg(&data));
    assert!(message.contains("train/../../x/1.png"), "{message}");
    let left = fs::read_dir(data.join("datasets")).map_or(0, Iterator::count);
    assert!(left == 0 && !data.join("x").exists() && !root.path().join("x").exists());
}

#[test]
fn a_port_in_use_and_a_folder_in_use_get_a_sentence() {
    let root = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = failure(retort().args(["serve", "--listen", &address, "--data"]).arg(root.path()));
    assert!(message.contains(&address) && message.contains("--listen"), "{message}");

    let server = Server::start(root.path());
    let message = failure(retort().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(root.path()));
    assert!(message.contains("--data") && message.contains(&server.id().to_string()), "{message}");
}

#[test]
fn a_data_folder_from_a_newer_version_is_refused_and_left_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    Server::start(root.path()).terminate();
    let database = root.path().join("retort.db");
    add_a_schema_step_from_the_future(&database);
    let before = fs::read(&database).unwrap();
    let message = failure(retort().args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(root.path()));
    assert!(message.contains("retort.db") && message.contains("newer"), "{message}");
    assert_eq!(fs::read(&database).unwrap(), before);
}

#[tokio::main(flavor = "current_thread")]
async fn add_a_schema_step_from_the_future(database: &Path) {
    let mut database = sqlx::SqliteConnection::connect(&format!("sqlite:{}", database.display())).await.unwrap();
    let step = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                VALUES (9999, 'from the future', 1, x'00', 0)";
    sqlx::query(step).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
}

#[test]
fn the_doctor_is_content_and_health_follows_the_server() {
    let root = tempfile::tempdir().unwrap();
    let report = success(retort().args(["doctor", "--data"]).arg(root.path()));
    assert!(
        report.contains("cpu") && report.contains("fashion-mnist-5k") && report.contains("All is well"),
        "{report}"
    );
    let mut server = Server::start(root.path());
    let address = server.link.trim_start_matches("http://").to_owned();
    success(retort().args(["health", "--listen", &address]));
    server.kill();
    assert!(failure(retort().args(["health", "--listen", &address])).contains(&address));
}

#[test]
fn whoever_reads_only_the_first_line_leaves_no_fault() {
    let script = "\"$1\" --help | head -1; \"$1\" data list | head -0";
    let mut shell = std::process::Command::new("sh");
    let output = support::output(shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_retort")]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.is_empty(), "{said}");
}
