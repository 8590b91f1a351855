import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { RescindError } from '@rescind/revocation';
import type { Response } from 'express';
import { ConfigurationError } from '../configuration/read.ts';

/** A bundled page: one document, and the files that it loads. */
export interface BundledPage {
  /** The text of the document. */
  readonly document: string;
  /**
   * Sends the document with `no-store`: after a logout the back button must not show the page of the former user.
   * @param policy the Content Security Policy
   * @param document default: that of the page
   */
  sendDocument(response: Response, policy: string, document?: string): void;
  /** Sends a file, which caches keep for ever: its name contains a hash of its content. @throws RescindError `not_found` */
  sendAsset(response: Response, name: string): void;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

interface Asset {
  readonly content: Buffer;
  readonly contentType: string;
}

/**
 * Reads a page that `npm run build:page` has made.
 * @param path the directory of `index.html` and `assets`
 * @throws ConfigurationError naming `PAGE_PATH` when it has no page
 */
export function readPage(path: string): BundledPage {
  const { document, assets } = readFiles(path);
  return {
    document,
    sendDocument(response, policy, text = document) {
      response.set('Content-Security-Policy', policy).set('Cache-Control', 'no-store').type('html').send(text);
    },
    sendAsset(response, name) {
      const asset = assets.get(name);
      if (asset === undefined) throw new RescindError('not_found');
      response
        .set('Content-Type', asset.contentType)
        .set('Cache-Control', 'public, max-age=31536000, immutable')
        .send(asset.content);
    },
  };
}

function readFiles(path: string): { readonly document: string; readonly assets: ReadonlyMap<string, Asset> } {
  try {
    const assets = readdirSync(join(path, 'assets')).map((name): [string, Asset] => {
      const contentType = CONTENT_TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
      return [name, { content: readFileSync(join(path, 'assets', name)), contentType }];
    });
    return { document: readFileSync(join(path, 'index.html'), 'utf8'), assets: new Map(assets) };
  } catch (error) {
    const problem = 'must be a directory with the bundled page: npm run build:page makes it';
    throw new ConfigurationError([
      { variable: 'PAGE_PATH', problem: `${problem} (${error instanceof Error ? error.message : error})` },
    ]);
  }
}
