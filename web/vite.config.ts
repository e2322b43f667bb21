// Builds the page, and the page of the APIs (docs.html), into web/dist. Nothing is inlined into index.html, so the server can forbid inline scripts and styles.
// `vite` (development) passes /v1 and /api on to FREEHOLD_DEV_TARGET: a Freehold server or dev/mock-server.mjs.
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';

export default defineConfig(({ mode }) => {
  const target = loadEnv(mode, '.', 'FREEHOLD_').FREEHOLD_DEV_TARGET ?? 'http://127.0.0.1:8080';
  return {
    base: '/',
    plugins: [react(), tailwindcss()],
    build: {
      outDir: 'dist',
      emptyOutDir: true,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: true,
      rolldownOptions: { input: ['index.html', 'docs.html'] },
    },
    server: { proxy: { '/v1': target, '/api': target } },
  };
});
