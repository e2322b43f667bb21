import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { DocsPage } from './docs-page.tsx';
import '../theme.css';

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <DocsPage />
  </StrictMode>,
);
