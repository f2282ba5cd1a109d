//! `/static/*`: bytes, ranges, variants and what browsers are told of them.

use crate::shelf::{ADA, BOB, user};
use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Request, StatusCode},
};
use futures_util::future::join_all;
use image::{DynamicImage, GenericImageView, ImageFormat, Rgb, RgbImage};
use nexus_model::Timestamp;
use nexus_pubky::PubkyId;
use nexus_social::{
    effects::{Effects, RowChange},
    index::Published,
    row::{FileKey, FileRow, Profile, UserRow, UserState},
};
use nexus_social_server::{
    blobs::Blobs,
    statics::{self, Catalogue, ImageLimits},
};
use std::{
    collections::HashMap,
    fs,
    io::Cursor,
    path::PathBuf,
    sync::{Arc, Mutex},
};
use tower::ServiceExt;

const FILE: &str = "0034A0X7NJ52A";
const BLOB: &str = "00000000000000000000000000";
const TEXT: &[u8] = b"0123456789";

/// Files, and the pictures that profiles name.
#[derive(Default)]
struct Shop {
    files: Mutex<HashMap<FileKey, FileRow>>,
    pictures: Mutex<HashMap<PubkyId, Option<String>>>,
    questions: Mutex<usize>,
    /// After so many questions the file is gone.
    gone_after: Mutex<Option<usize>>,
}

impl Catalogue for Shop {
    fn file(&self, key: &FileKey) -> Option<FileRow> {
        let mut questions = self.questions.lock().unwrap();
        *questions += 1;
        if self.gone_after.lock().unwrap().is_some_and(|limit| *questions > limit) {
            return None;
        }
        self.files.lock().unwrap().get(key).cloned()
    }

    fn picture(&self, user: &PubkyId) -> Option<Option<String>> {
        self.pictures.lock().unwrap().get(user).cloned()
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn image(&self) -> DynamicImage {
        assert_eq!((self.status, self.header("content-type")), (200, "image/webp"), "{:?}", self.body.get(..200));
        image::load_from_memory_with_format(&self.body, ImageFormat::WebP).unwrap()
    }
}

struct Site {
    shop: Arc<Shop>,
    blobs: Arc<Blobs>,
    row: FileRow,
    routes: Router,
    _dir: tempfile::TempDir,
}

impl Site {
    /// A site with one file of Ada's.
    fn with(content_type: &str, bytes: &[u8]) -> Self {
        Self::limited(content_type, bytes, ImageLimits::default())
    }

    fn limited(content_type: &str, bytes: &[u8], limits: ImageLimits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Arc::new(Blobs::open(dir.path(), u64::MAX).unwrap());
        let key = FileKey { owner: user(ADA), id: FILE.parse().unwrap() };
        let row = FileRow {
            key,
            name: "map.png".to_owned(),
            created_at: 0,
            src: format!("pubky://{ADA}/pub/pubky.app/blobs/{BLOB}"),
            content_type: content_type.to_owned(),
            size: bytes.len() as u64,
            indexed_at: Timestamp::from_millis(784_111_777_000),
            hash: None,
        };
        let main = blobs.main(&row).unwrap();
        fs::create_dir_all(main.parent().unwrap()).unwrap();
        fs::write(main, bytes).unwrap();
        let shop = Arc::new(Shop { files: Mutex::new(HashMap::from([(key, row.clone())])), ..Shop::default() });
        let routes = statics::routes(shop.clone(), blobs.clone(), limits);
        Self { shop, blobs, row, routes, _dir: dir }
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.routes.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = axum::body::to_bytes(response.into_body(), 10_000_000).await.unwrap();
        Answer { status, headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    fn main(&self) -> PathBuf {
        self.blobs.main(&self.row).unwrap()
    }

    fn made(&self, name: &str) -> bool {
        self.blobs.variant(&self.row, name).unwrap().exists()
    }
}

fn path(variant: &str) -> String {
    format!("/static/files/{ADA}/{FILE}/{variant}")
}

/// Left half red, right half blue.
fn picture(width: u32, height: u32) -> DynamicImage {
    let color = |x: u32| if x < width / 2 { Rgb([250, 0, 0]) } else { Rgb([0, 0, 250]) };
    DynamicImage::ImageRgb8(RgbImage::from_fn(width, height, |x, _| color(x)))
}

fn encoded(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    image.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
    bytes
}

fn is_red(image: &DynamicImage, x: u32, y: u32) -> bool {
    let [red, _, blue, _] = image.get_pixel(x, y).0;
    red > 150 && blue < 100
}

#[tokio::test]
async fn the_main_variant_is_what_was_uploaded_and_browsers_are_careful_with_it() {
    let site = Site::with("text/html", TEXT);
    let whole = site.get(&path("main")).await;
    assert_eq!((whole.status, &whole.body[..]), (200, TEXT));
    for (name, value) in [
        ("content-type", "text/html"),
        ("content-length", "10"),
        ("accept-ranges", "bytes"),
        ("cache-control", "public, max-age=3600"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", ""),
    ] {
        assert_eq!(whole.header(name), value, "{name}");
    }
    assert!(whole.header("content-security-policy").contains("sandbox"));
    let head = site.ask(Request::head(path("main")).body(Body::empty()).unwrap()).await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, "10"));
    for download in ["?dl", "?dl=1", "?v=2&dl="] {
        let answer = site.get(&format!("{}{download}", path("main"))).await;
        assert_eq!(answer.header("content-disposition"), "attachment; filename=\"map.png\"");
    }
}

#[tokio::test]
async fn ranges_are_sent_unless_the_client_has_parts_of_other_bytes() {
    let site = Site::with("video/mp4", TEXT);
    let etag = site.get(&path("main")).await.header("etag").to_owned();
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    for (headers, status, body, place) in [
        (&[("range", "bytes=2-4")][..], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=-2")], 206, "89", "bytes 8-9/10"),
        (&[("range", "bytes=20-")], 416, "", "bytes */10"),
        (&[("range", "bytes=0-1,4-5")], 200, "0123456789", ""),
        (&[("range", "bytes=2-4"), ("if-range", &etag)], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=2-4"), ("if-range", date)], 206, "234", "bytes 2-4/10"),
        (&[("range", "bytes=2-4"), ("if-range", "\"other\"")], 200, "0123456789", ""),
        (&[("range", "bytes=2-4"), ("if-range", "Sun, 06 Nov 1994 08:49:36 GMT")], 200, "0123456789", ""),
    ] {
        let answer = site.get_with(&path("main"), headers).await;
        assert_eq!(
            (answer.status, answer.text(), answer.header("content-range")),
            (status, body, place),
            "{headers:?}"
        );
        let length = if status == 416 { "0".to_owned() } else { body.len().to_string() };
        assert!(["", &*length].contains(&answer.header("content-length")), "{headers:?}");
    }
}

#[tokio::test]
async fn who_has_the_bytes_is_told_so() {
    let site = Site::with("text/plain", TEXT);
    let etag = site.get(&path("main")).await.header("etag").to_owned();
    let weak = format!("\"x\", W/{etag}");
    for (headers, status) in [
        (&[("if-none-match", &*etag)][..], 304),
        (&[("if-none-match", &weak)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 304),
        (&[("if-modified-since", "Sun, 06 Nov 1994 08:49:36 GMT")], 200),
        (&[("if-none-match", "\"x\""), ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT")], 200),
    ] {
        let answer = site.get_with(&path("main"), headers).await;
        assert_eq!((answer.status, answer.body.is_empty()), (status, status == 304), "{headers:?}");
        assert_eq!(answer.header("etag"), etag);
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere_say_why() {
    let site = Site::with("text/plain", TEXT);
    let unknown = site.get(&format!("/static/files/{BOB}/{FILE}/main")).await;
    assert_eq!((unknown.status, unknown.text()), (404, r#"{"error":"File not found."}"#));
    let no_image = site.get(&path("small")).await;
    let error = r#"{"error":"Invalid input: variant small is not valid for content type text/plain"}"#;
    assert_eq!((no_image.status, no_image.text()), (400, error));
    assert_eq!(site.get(&path("huge")).await.status, 400);
    assert_eq!(site.get(&format!("/static/files/ada/{FILE}/main")).await.status, 400);
    fs::remove_file(site.main()).unwrap();
    assert_eq!(site.get(&path("main")).await.status, 404);
}

#[tokio::test]
async fn the_old_path_leads_to_the_main_variant() {
    let site = Site::with("text/plain", TEXT);
    let moved = site.get(&format!("/static/files/{ADA}/{FILE}?dl")).await;
    assert_eq!((moved.status, moved.header("location")), (308, &*format!("{}?dl", path("main"))));
}

#[tokio::test]
async fn variants_are_web_pictures_of_their_width_made_once() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let site = Site::with(format.to_mime_type(), &encoded(&picture(1_000, 500), format));
        for (variant, size) in [("feed", (720, 360)), ("small", (320, 160))] {
            assert!(!site.made(variant));
            let image = site.get(&path(variant)).await.image();
            assert_eq!(image.dimensions(), size, "{format:?}");
            assert!(is_red(&image, 10, 80) && !is_red(&image, size.0 - 10, 80));
            assert!(site.made(variant));
        }
        // What is made is served from then on, whatever becomes of the original.
        fs::write(site.main(), "no image").unwrap();
        assert_eq!(site.get(&path("small")).await.image().width(), 320);
    }
}

/// A JPEG that says it must be turned by a quarter to the right.
fn lying_down(image: &DynamicImage) -> Vec<u8> {
    let mut jpeg = encoded(image, ImageFormat::Jpeg);
    let entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
    let tiff = [&b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01"[..], &entry, &[0; 4]].concat();
    let length = u16::try_from(tiff.len() + 2).unwrap().to_be_bytes();
    jpeg.splice(2..2, [&[0xff, 0xe1], &length[..], &tiff].concat());
    jpeg
}

#[tokio::test]
async fn pictures_are_upright() {
    let site = Site::with("image/jpeg", &lying_down(&picture(400, 200)));
    let image = site.get(&path("small")).await.image();
    assert_eq!(image.dimensions(), (320, 640));
    assert!(is_red(&image, 160, 20) && !is_red(&image, 160, 620), "what was left is on top");
}

#[tokio::test]
async fn many_who_come_first_share_one_making() {
    let site = Site::limited(
        "image/png",
        &encoded(&picture(600, 600), ImageFormat::Png),
        ImageLimits { workers: 1, ..ImageLimits::default() },
    );
    let small = path("small");
    let answers = join_all((0..20).map(|_| site.get(&small))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    // Each request asks the catalogue once, and so does each making.
    assert_eq!(*site.shop.questions.lock().unwrap(), 21);
}

#[tokio::test]
async fn more_than_may_wait_are_sent_away() {
    let limits = ImageLimits { waiting: 1, ..ImageLimits::default() };
    let site = Site::limited("image/png", &encoded(&picture(600, 600), ImageFormat::Png), limits);
    let small = path("small");
    let answers = join_all((0..5).map(|_| site.get(&small))).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert!(count(200) >= 1 && count(503) >= 1 && count(200) + count(503) == 5);
}

/// A PNG whose header promises many pixels, with nothing behind it.
fn bomb(side: u32) -> Vec<u8> {
    let mut png = encoded(&picture(8, 8), ImageFormat::Png);
    png[16..20].copy_from_slice(&side.to_be_bytes());
    png[20..24].copy_from_slice(&side.to_be_bytes());
    let mut crc = u32::MAX;
    for byte in &png[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    png[29..33].copy_from_slice(&(!crc).to_be_bytes());
    png
}

#[tokio::test]
async fn images_that_would_fill_the_memory_are_refused_unseen() {
    let site = Site::with("image/png", &bomb(40_000));
    for _ in 0..2 {
        let refused = site.get(&path("small")).await;
        assert_eq!(refused.status, 500);
        assert!(refused.text().contains("40000 x 40000 pixels, which is too many"), "{}", refused.text());
    }
    let damaged = Site::with("image/png", &bomb(100));
    assert_eq!(damaged.get(&path("small")).await.status, 500);
    assert!(!damaged.made("small"));
    let small = ImageLimits { max_bytes: 1_000, ..ImageLimits::default() };
    let site = Site::limited("image/png", &encoded(&picture(100, 100), ImageFormat::Png), small);
    assert_eq!(site.get(&path("small")).await.status, 500);
}

#[tokio::test]
async fn what_cannot_be_scaled_here_stands_for_itself() {
    let drawing = b"<svg xmlns='http://www.w3.org/2000/svg'/>";
    let site = Site::with("image/svg+xml", drawing);
    let answer = site.get(&path("small")).await;
    assert_eq!((answer.status, answer.header("content-type"), &answer.body[..]), (200, "image/svg+xml", &drawing[..]));
    assert!(answer.header("content-security-policy").contains("sandbox"));
}

#[tokio::test]
async fn a_file_that_is_deleted_while_its_variant_is_made_leaves_none() {
    let site = Site::with("image/png", &encoded(&picture(100, 100), ImageFormat::Png));
    *site.shop.gone_after.lock().unwrap() = Some(1);
    assert_eq!(site.get(&path("small")).await.status, 404);
    let left = fs::read_dir(site.main().parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(left.collect::<Vec<_>>(), [site.main()]);
}

#[tokio::test]
async fn an_avatar_is_the_small_variant_of_the_picture_a_profile_names() {
    let site = Site::with("image/png", &encoded(&picture(500, 500), ImageFormat::Png));
    let avatar = format!("/static/avatar/{BOB}");
    let unknown = site.get(&avatar).await;
    assert_eq!((unknown.status, unknown.text()), (404, &*format!(r#"{{"error":"User not found: {BOB}"}}"#)));
    for (image, status) in [
        (None, StatusCode::NOT_FOUND),
        (Some("https://example.org/me.png".to_owned()), StatusCode::NOT_FOUND),
        (Some(format!("pubky://{BOB}/pub/pubky.app/files/{FILE}")), StatusCode::NOT_FOUND),
        (Some(format!("pubky://{ADA}/pub/pubky.app/files/{FILE}")), StatusCode::OK),
    ] {
        site.shop.pictures.lock().unwrap().insert(user(BOB), image.clone());
        let answer = site.get(&format!("{avatar}?v=7")).await;
        assert_eq!(answer.status, status, "{image:?}");
        match status {
            StatusCode::OK => assert_eq!(answer.image().dimensions(), (320, 320)),
            _ => assert_eq!(answer.text(), r#"{"error":"File not found."}"#),
        }
    }
    assert!(site.made("small"));
    site.blobs.remove(&site.row).unwrap();
    assert!(!site.made("small"), "variants go with their file");
}

#[tokio::test]
async fn the_index_tells_of_files_and_pictures() {
    let site = Site::with("image/png", &encoded(&picture(500, 500), ImageFormat::Png));
    let profile =
        Profile { name: "Ada".to_owned(), bio: None, image: Some(site.row.key.uri()), links: None, status: None };
    let ada =
        UserRow { id: user(ADA), state: UserState::Active, profile, indexed_at: Timestamp::default(), hash: None };
    let rows = vec![RowChange::PutFile(site.row.clone()), RowChange::PutUser(ada)];
    let index = Published::default();
    index.publish(&[Effects { rows, ..Effects::default() }]);
    let routes = statics::routes(Arc::new(index), site.blobs.clone(), ImageLimits::default());
    let site = Site { routes, ..site };
    assert_eq!(site.get(&format!("/static/avatar/{ADA}")).await.image().width(), 320);
    assert_eq!(site.get(&path("main")).await.status, 200);
    assert_eq!(site.get(&format!("/static/avatar/{BOB}")).await.status, 404);
}
