// The routes by protocol, with a field to find one.
import { useState } from 'react';
import { matching, type Route } from './routes.ts';

export function RouteList({ routes, chosen }: { routes: readonly Route[]; chosen: string | undefined }) {
  const [typed, setTyped] = useState('');
  const found = matching(routes, typed);
  const tags = [...new Set(found.map(({ tag }) => tag))];
  return (
    <>
      <div className="px-4 pt-4 pb-2">
        <input
          type="search"
          aria-label="Find a route"
          placeholder="Find a route"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
          className="h-9 w-full rounded-lg border border-line-strong bg-paper px-3 text-sm"
        />
      </div>
      <nav aria-label="Routes" className="max-h-56 min-h-0 flex-1 overflow-y-auto px-2 pb-4 md:max-h-none">
        {tags.map((tag) => (
          <section key={tag} aria-label={tag}>
            <h2 className="px-2 pt-4 pb-1 font-medium text-soft text-xs">{tag}</h2>
            <ul>
              {found
                .filter((route) => route.tag === tag)
                .map((route) => (
                  <li key={route.id}>
                    <a
                      href={`#${encodeURIComponent(route.id)}`}
                      aria-current={route.id === chosen ? 'page' : undefined}
                      className="block rounded-lg px-2 py-1.5 hover:bg-bubble aria-[current]:bg-bubble"
                    >
                      <span className="block break-all font-mono text-[0.8125rem]">
                        <Method method={route.method} /> {route.path}
                      </span>
                      <span className="block text-soft text-xs">{route.summary}</span>
                    </a>
                  </li>
                ))}
            </ul>
          </section>
        ))}
        {routes.length > 0 && found.length === 0 && (
          <p className="px-2 py-4 text-sm text-soft">No route is called so.</p>
        )}
      </nav>
    </>
  );
}

export function Method({ method }: { method: string }) {
  return (
    <span className={`font-semibold ${method === 'DELETE' ? 'text-danger' : 'text-accent'}`} title={method}>
      {method}
    </span>
  );
}
