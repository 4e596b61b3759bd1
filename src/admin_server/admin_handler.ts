/**
 * What answers the requests of the admin interface, wherever they come from.
 * @module
 */
import type { ClientCertificate } from "../auth/client_certificate.ts";
import type { Peer } from "../platform/platform.ts";

/** The other end of a request's connection. */
export interface AdminPeer extends Peer {
  /** Where certificates of clients are asked for. */
  readonly certificate?: ClientCertificate;
}

/** What it throws becomes a bare 500. */
export type AdminHandler = (request: Request, peer: AdminPeer) => Response | Promise<Response>;
