import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { session } from './api/client';
import { watchConnection } from './api/connection';
import { App } from './screens/App';
import './styles/tokens.css';
import './styles/base.css';
import './styles/controls.css';
import './styles/shell.css';
import './styles/library.css';
import './styles/video.css';

watchConnection();
void session.start();
createRoot(document.getElementById('root')!).render(<StrictMode><App /></StrictMode>);
