// The page at /docs: every route of /openapi.json on the left, one of them to try on the right. The address keeps which.
import { useEffect, useState } from 'react';
import { Mark } from '../ui/icons.tsx';
import { ThemeSwitch } from '../ui/theme-switch.tsx';
import { RouteList } from './route-list.tsx';
import { type OpenApi, type Route, routesOf } from './routes.ts';
import { TryPanel } from './try-panel.tsx';

const chosenInAddress = () => decodeURIComponent(window.location.hash.slice(1));

export function DocsPage() {
  const [routes, setRoutes] = useState<Route[]>([]);
  const [version, setVersion] = useState('');
  const [problem, setProblem] = useState<string>();
  const [chosen, setChosen] = useState(chosenInAddress);
  const [key, setKey] = useState('');

  useEffect(() => {
    fetch('/openapi.json')
      .then(async (answer) => {
        if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}`);
        const document = (await answer.json()) as OpenApi;
        setRoutes(routesOf(document));
        setVersion(document.info.version);
      })
      .catch((error: Error) => setProblem(error.message));
    const follow = () => setChosen(chosenInAddress());
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);

  const route = routes.find(({ id }) => id === chosen) ?? routes[0];
  return (
    <div className="flex min-h-full flex-col md:h-full md:flex-row">
      <aside className="flex shrink-0 flex-col border-line border-b bg-side md:w-80 md:border-r md:border-b-0">
        <header className="flex items-center gap-2.5 px-4 pt-4">
          <Mark className="size-7" />
          <div className="min-w-0 flex-1">
            <h1 className="font-semibold leading-tight">Freehold’s APIs</h1>
            <p className="text-soft text-xs">{version === '' ? 'Loading …' : `${version} · ${routes.length} routes`}</p>
          </div>
          <ThemeSwitch />
        </header>
        <RouteList routes={routes} chosen={route?.id} />
        <footer className="hidden gap-4 border-line border-t px-4 py-3 text-sm text-soft md:flex">
          <a className="underline hover:text-ink" href="/openapi.json">
            openapi.json
          </a>
          <a className="underline hover:text-ink" href="/">
            Chat
          </a>
        </footer>
      </aside>
      <main className="min-w-0 flex-1 md:overflow-y-auto">
        {problem && (
          <p role="alert" className="m-6 rounded-lg border border-danger-line bg-danger-tint p-3 text-danger text-sm">
            The list of routes could not be loaded: {problem}
          </p>
        )}
        {route && <TryPanel key={route.id} route={route} apiKey={key} onApiKey={setKey} />}
      </main>
    </div>
  );
}
