/** The API key: one bearer token, compared in constant time. */
import { createHash, timingSafeEqual } from "node:crypto";
import { ApiError } from "./errors.ts";

/** Throws a 401 unless `authorization` carries the key. */
export function keyCheck(apiKey: string | undefined): (authorization: string | undefined) => void {
  if (apiKey === undefined) return () => undefined;
  const expected = digest(apiKey);
  return (authorization) => {
    const given = /^Bearer +(.+)$/i.exec(authorization ?? "")?.[1];
    const headers = { "www-authenticate": "Bearer" };
    if (given === undefined) {
      const message = "This server needs an API key; send it as 'Authorization: Bearer KEY'.";
      throw new ApiError(401, message, { code: "missing_api_key", headers });
    }
    // Digests have one length, so that neither the key's content nor its length shows in the time taken.
    if (!timingSafeEqual(digest(given.trimEnd()), expected)) {
      throw new ApiError(401, "The API key is wrong.", { code: "invalid_api_key", headers });
    }
  };
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
