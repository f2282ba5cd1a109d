//! What the OpenAPI document says of `/static/*`. Its words are upstream's, which a test compares.

use utoipa::{OpenApi, ToSchema};

/// The documentation of the routes.
#[derive(OpenApi)]
#[openapi(
    paths(static_files_handler, legacy_files_handler, user_avatar_handler),
    components(schemas(PubkyId, FileId, FileVariant))
)]
pub struct Docs;

impl std::fmt::Debug for Docs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Docs")
    }
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "described, never made")]
struct PubkyId(String);

/// 13-character Crockford Base32-encoded file ID.
#[derive(ToSchema)]
#[schema(example = "00000039YD9DP")]
#[expect(dead_code, reason = "described, never made")]
struct FileId(String);

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "described, never made")]
enum FileVariant {
    Main,
    Feed,
    Small,
}

/// Handler to serve static files
/// If the variant has not been created, it will be created on the fly
/// If the variant is not valid for the content type, a 400 Bad Request will be returned
/// If the file does not exist, a 404 Not Found will be returned
/// If the processing of the new variant fails, a 500 Internal Server Error will be returned
#[utoipa::path(
    get,
    path = "/static/files/{owner_id}/{file_id}/{variant}",
    description = "Serves a static file by owner_id, file_id and variant",
    tag = "File",
    params(
        ("owner_id" = PubkyId, Path, description = "File's owner id"),
        ("file_id" = FileId, Path, description = "File's id"),
        ("variant" = FileVariant, Path, description = "File's variant"),
        ("dl" = Option<String>, Query, description = "Download the file. Returns with content-disposition header set to attachment")
    ),
    responses(
        (status = 200, description = "File's raw data"),
        (status = 206, description = "A range of the file's raw data"),
        (status = 304, description = "The client has it already"),
        (status = 400, description = "The variant is not valid for the content type"),
        (status = 404, description = "File not found"),
        (status = 416, description = "The range lies outside the file"),
        (status = 429, description = "Rate limit exceeded", headers(("Retry-After" = u64, description = "Seconds until retry"))),
        (status = 500, description = "Internal server error")
    )
)]
#[expect(dead_code, reason = "carries documentation")]
fn static_files_handler() {}

/// Handler to redirect legacy static files
/// The path should be in the format /static/{owner_id}/{file_id}
#[utoipa::path(
    get,
    path = "/static/files/{owner_id}/{file_id}",
    description = "Redirects to the new static file path",
    tag = "File",
    params(
        ("owner_id" = String, Path, description = "File's owner id"),
        ("file_id" = String, Path, description = "File's id")
    ),
    responses(
        (status = 200, description = "File's raw data"),
        (status = 308, description = "The file's main variant is there"),
        (status = 404, description = "File not found"),
        (status = 429, description = "Rate limit exceeded", headers(("Retry-After" = u64, description = "Seconds until retry"))),
        (status = 500, description = "Internal server error")
    )
)]
#[expect(dead_code, reason = "carries documentation")]
fn legacy_files_handler() {}

#[utoipa::path(
    get,
    path = "/static/avatar/{user_id}",
    description = "Get the user's avatar image",
    tag = "User",
    params(("user_id" = PubkyId, Path, description = "Pubky user ID whose avatar we want")),
    responses(
        (status = 200, description = "Avatar image"),
        (status = 206, description = "A range of the image"),
        (status = 304, description = "The client has it already"),
        (status = 404, description = "User or avatar not found"),
        (status = 416, description = "The range lies outside the image"),
        (status = 429, description = "Rate limit exceeded", headers(("Retry-After" = u64, description = "Seconds until retry"))),
        (status = 500, description = "Internal error retrieving avatar")
    )
)]
#[expect(dead_code, reason = "carries documentation")]
fn user_avatar_handler() {}
