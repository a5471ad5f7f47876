/** Puts a script at the beginning of a page's head, while the page streams through. */

interface Rewriter {
  on(
    selector: string,
    handlers: { element(element: { prepend(text: string, how: { html: true }): void }): void },
  ): Rewriter;
  transform(page: Response): Response;
}

/** Return the page with the script; what is no page stays as it is. */
export function injected(page: Response, script: string): Response {
  const isPage = page.headers.get("content-type")?.toLowerCase().startsWith("text/html") ?? false;
  if (!isPage || page.body === null) return page;
  const Rewriter = (globalThis as { HTMLRewriter?: new () => Rewriter }).HTMLRewriter;
  if (Rewriter !== undefined) {
    return new Rewriter().on("head", { element: (head) => head.prepend(script, { html: true }) }).transform(page);
  }
  const headers = new Headers(page.headers);
  headers.delete("content-length");
  const { status, statusText } = page;
  return new Response(page.body.pipeThrough(written(script)), { status, statusText, headers });
}

/** Workers without a rewriter look for the head by its tag. */
function written(script: string): TransformStream<Uint8Array, Uint8Array> {
  const [decoder, encoder] = [new TextDecoder(), new TextEncoder()];
  let waiting: string | null = "";
  return new TransformStream({
    transform(part, controller) {
      if (waiting === null) return controller.enqueue(part);
      waiting += decoder.decode(part, { stream: true });
      const head = /<head(\s[^>]*)?>/i.exec(waiting);
      if (head === null) return;
      const end = head.index + head[0].length;
      controller.enqueue(encoder.encode(waiting.slice(0, end) + script + waiting.slice(end)));
      waiting = null;
    },
    flush(controller) {
      if (waiting !== null) controller.enqueue(encoder.encode(waiting + decoder.decode()));
    },
  });
}
