//! `/static/*`: users' files as they were uploaded, and small versions of their images.
//!
//! Whatever is served here was made by strangers: browsers are told not to guess its type, to run nothing in
//! it, and to give it no origin.

mod catalogue;
mod docs;
mod image;
mod serve;
mod variant;
mod workshop;

use crate::{
    api::{error::ApiError, extract::At},
    blobs::Blobs,
};
use axum::{
    Router,
    extract::{OriginalUri, RawQuery, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::LOCATION},
    response::{IntoResponse, Response},
    routing::get,
};
use nexus_pubky::{Address, Path as RecordPath, PubkyId, TimestampId};
use nexus_social::row::{FileKey, FileRow};
use serve::{Delivery, Item, Validators};
use std::{path::PathBuf, sync::Arc};
use variant::Variant;
use workshop::{Mishap, Order, Workshop};

pub use catalogue::Catalogue;
pub use docs::Docs;
pub use workshop::ImageLimits;

#[derive(Clone)]
struct Statics {
    catalogue: Arc<dyn Catalogue>,
    blobs: Arc<Blobs>,
    workshop: Arc<Workshop>,
}

/// The routes.
pub fn routes(catalogue: Arc<dyn Catalogue>, blobs: Arc<Blobs>, limits: ImageLimits) -> Router {
    let statics = Statics { catalogue, blobs, workshop: Arc::new(Workshop::new(limits)) };
    Router::new()
        .route("/static/files/{owner_id}/{file_id}/{variant}", get(file))
        .route("/static/files/{owner_id}/{file_id}", get(legacy))
        .route("/static/avatar/{user_id}", get(avatar))
        .with_state(statics)
}

/// One variant of a file.
async fn file(
    State(statics): State<Statics>,
    At((owner, id, variant)): At<(PubkyId, TimestampId, Variant)>,
    RawQuery(query): RawQuery,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let file = statics.catalogue.file(&FileKey { owner, id }).ok_or_else(ApiError::no_file)?;
    let asks_to_download = query.is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some("dl")));
    let delivery = if asks_to_download { Delivery::Download } else { Delivery::Inline };
    statics.send(&file, variant, delivery, &method, &headers).await
}

/// The path of older clients.
async fn legacy(OriginalUri(uri): OriginalUri) -> Result<Response, ApiError> {
    let location = HeaderValue::try_from(main_of(&uri)).map_err(|error| ApiError::invalid(error.to_string()))?;
    Ok((StatusCode::PERMANENT_REDIRECT, [(LOCATION, location)]).into_response())
}

fn main_of(uri: &Uri) -> String {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}/main{query}", uri.path().trim_end_matches('/'))
}

/// The small variant of a user's picture.
async fn avatar(
    State(statics): State<Statics>,
    At(user): At<PubkyId>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let picture = statics.catalogue.picture(&user).ok_or_else(|| ApiError::no_user(&user))?;
    let file = picture.as_deref().and_then(file_named).and_then(|key| statics.catalogue.file(&key));
    let file = file.filter(|file| Variant::Small.exists_for(&file.content_type)).ok_or_else(ApiError::no_file)?;
    statics.send(&file, Variant::Small, Delivery::Inline, &method, &headers).await
}

fn file_named(uri: &str) -> Option<FileKey> {
    match uri.parse::<Address>().ok()? {
        Address { user, path: RecordPath::File(id) } => Some(FileKey { owner: user, id }),
        _ => None,
    }
}

impl Statics {
    async fn send(
        &self,
        file: &FileRow,
        variant: Variant,
        delivery: Delivery,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Response, ApiError> {
        if !variant.exists_for(&file.content_type) {
            let content_type = &file.content_type;
            let text = format!("variant {variant} is not valid for content type {content_type}");
            return Err(ApiError::Invalid(text));
        }
        let main = self.blobs.main(file).ok_or_else(ApiError::no_file)?;
        let (place, content_type) = match variant {
            Variant::Main => (main.clone(), &*file.content_type),
            _ => self.variant(file, variant, main.clone()).await?,
        };
        // The main blob's name is the hash of its bytes.
        let blob = main.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let item = Item {
            content_type,
            name: &file.name,
            delivery,
            validators: Validators::new(&blob, variant, file.indexed_at),
        };
        serve::answer(&place, &item, method, headers).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ApiError::no_file(),
            _ => ApiError::internal(error),
        })
    }

    /// Where the variant lies, made now if need be. An image of a format that can't be scaled stands for itself.
    async fn variant<'a>(
        &self,
        file: &'a FileRow,
        variant: Variant,
        main: PathBuf,
    ) -> Result<(PathBuf, &'a str), ApiError> {
        let place = self.blobs.variant(file, variant.name()).ok_or_else(ApiError::no_file)?;
        let (catalogue, row) = (Arc::clone(&self.catalogue), file.clone());
        let order = Order {
            main: main.clone(),
            place: place.clone(),
            variant,
            is_wanted: Box::new(move || catalogue.file(&row.key).is_some_and(|now| now.src == row.src)),
        };
        match self.workshop.make(order).await {
            Ok(()) => Ok((place, "image/webp")),
            Err(Mishap::Unknown) => Ok((main, &file.content_type)),
            Err(Mishap::Missing) => Err(ApiError::no_file()),
            Err(Mishap::Busy) => {
                Err(ApiError::Refused(StatusCode::SERVICE_UNAVAILABLE, "too many images are being made".into()))
            }
            Err(Mishap::Failed(why)) => Err(ApiError::internal(why)),
        }
    }
}
