import { defineConfig } from 'vite'

/** Built into `dist`, which the server reads at start; nothing is inlined, so that the Content-Security-Policy can be strict. */
export default defineConfig({
  resolve: {
    // The client package straight from its sources: a fresh clone needs no build before the build.
    conditions: ['@adsum/source', 'module', 'browser', 'development|production'],
    alias: { react: 'preact/compat' },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: { target: 'es2022', assetsInlineLimit: 0, modulePreload: { polyfill: false } },
  server: { proxy: { '/_matrix': 'http://127.0.0.1:8008' } },
})
