/** Takes the token of a link to a preview from the page's address, and keeps it for the browser's session. */

const NAME = "equipoise_preview";
const LONGEST = 4_096;

/** What is needed of a document. */
export interface Visited {
  readonly search: string;
  cookie: string;
}

/** Return the token that the page was opened with, or an earlier one of this session. An empty one ends the preview. */
export function tokenOf(visited: Visited | null): string | null {
  if (visited === null) return null;
  const asked = new URLSearchParams(visited.search).get(NAME);
  if (asked === null) return cookieOf(visited.cookie);
  const isToken = asked.length <= LONGEST && /^p1\.[\w-]+\.[\w-]+$/.test(asked);
  visited.cookie = `${NAME}=${isToken ? asked : ""}; path=/; SameSite=Lax${isToken ? "" : "; Max-Age=0"}`;
  return isToken ? asked : null;
}

function cookieOf(cookies: string): string | null {
  const found = cookies.split(/;\s*/).find((cookie) => cookie.startsWith(`${NAME}=`));
  return found?.slice(NAME.length + 1) || null;
}
