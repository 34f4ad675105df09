import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  build: {
    outDir: '../internal/frontend/dist',
    emptyOutDir: true,
    target: 'es2022',
    // Inlined files would be data: URLs, which the Content-Security-Policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    // `npm run dev` beside a running `captions serve`.
    proxy: { '/api': { target: 'http://localhost:8080', ws: true }, '/captions-': 'http://localhost:8080' },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
