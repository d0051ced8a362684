// Builds the front end into dist/: `npm run build`.
import { cpSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: ['app.jsx'],
  outdir: 'dist/static',
  publicPath: '/static',
  bundle: true,
  splitting: true,
  format: 'esm',
  minify: true,
  jsx: 'automatic',
  target: 'es2022',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  inject: ['node-globals.mjs'],
  alias: { stream: 'stream-browserify', string_decoder: 'string_decoder/' },
  loader: { '.svg': 'file', '.png': 'file', '.woff': 'file', '.woff2': 'file', '.ttf': 'file' },
  logLevel: 'warning',
});
cpSync('index.html', 'dist/index.html');
